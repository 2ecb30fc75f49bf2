"""`jax_enable_x64` that changes within a process, between runs or in the midst of one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fhl_ppl.core.state import State

Array = Any

_SYMPTOMS = ("verifier errors", "RuntimeProgramInputMismatch")
"""What JAX says of a constant that it has in the other precision."""


def unknown_to_jax(arguments: Any) -> Any:
    """The same with a new view of each NumPy array, also of those in lists, tuples and dicts.

    JAX remembers an array that a program closes over, by identity, in the precision of the first
    one, and of the next makes a program that does not compile.
    """
    kind = type(arguments)
    if kind is np.ndarray:
        return arguments.view()
    if kind not in (list, tuple, dict):
        return arguments
    old = list(arguments.values() if kind is dict else arguments)
    new = list(map(unknown_to_jax, old))
    if all(one is other for one, other in zip(old, new, strict=True)):
        # A model may look whether it is the same, or write into it.
        return arguments
    return kind(zip(arguments, new, strict=True) if kind is dict else new)


@contextmanager
def explained() -> Iterator[None]:
    """Say what it is if that happens to an array that is out of reach here.

    Raises
    ------
    ValueError
        With the remedy.
    """
    try:
        yield
    except (ValueError, jax.errors.JaxRuntimeError) as error:
        if not any(symptom in str(error) for symptom in _SYMPTOMS):
            raise
        raise ValueError(
            f"{_switch()}, and JAX has a NumPy array of the model in the other precision, in which "
            "this process used it first. Call jax.clear_caches() after the switch, make it a "
            "jax.numpy array, or hand it over as an argument of the model."
        ) from error


def check_can_go_on(iteration: Array, particles: State, start: jax.ShapeDtypeStruct) -> None:
    """Refuse a state of another precision, or of another number of parameters.

    Parameters
    ----------
    iteration, particles
        Of the state.
    start
        A position [dim] as the kernel was started with.

    Raises
    ------
    ValueError
        With what differs, and the remedy.
    """
    afresh = (
        "or start afresh, without a post_warmup_state: make a new MCMC, or set "
        "mcmc.post_warmup_state = None"
    )
    # Of the default precision, whatever that of the parameters is.
    if iteration.dtype != jnp.zeros((), int).dtype:
        before = not jax.config.jax_enable_x64
        raise ValueError(
            f"{_switch()}, and the state to go on from is of a run with {before}. Set it back, "
            f'jax.config.update("jax_enable_x64", {before}), {afresh}.'
        )
    there = particles.position
    if (there.shape[-1:], there.dtype) != (start.shape, start.dtype):
        raise ValueError(
            f"the state to go on from has {there.shape[-1]} parameters of {there.dtype}, and the "
            f"kernel was started with {start.shape[0]} of {start.dtype}. Go on with the model and "
            f"the data that it is of, {afresh}."
        )


def _switch() -> str:
    return f"jax_enable_x64 is {jax.config.jax_enable_x64} now"
