"""Loops and branches of compiled programs."""

from collections.abc import Callable
from threading import Thread
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from fhl_ppl.core.control import PYTHON, Control


def once(function: Callable[..., Any]) -> Callable[..., Any]:
    """`jax.jit` of what runs a single time: it would take longer to optimize than to do.

    Eight schools' starts compile in .65 s of CPU in place of 2.5. Inside another program, which has
    options of its own, it is `jax.jit`.
    """
    inside = isinstance(jnp.zeros(()), jax.core.Tracer)
    options = None if inside else {"xla_backend_optimization_level": 0}
    return jax.jit(function, compiler_options=options)


def _fori_loop(lower: Any, upper: Any, body: Callable[..., Any], init: Any) -> Any:
    # Numbers of steps are floating-point numbers, as all that warm-up works out.
    return lax.fori_loop(jnp.asarray(lower, int), jnp.asarray(upper, int), body, init)


def _on_the_spot(function: Callable[..., Any], like: Any, operand: Any) -> Any:
    return function(operand, WITHOUT_HOST)


def _aside(function: Callable[..., Any], like: Any, operand: Any) -> Any:
    # A program that calls back is not stored; one that is stored is compiled once.
    is_stored = jax.config.jax_compilation_cache_dir and jax.config.jax_enable_compilation_cache
    if is_stored or not _others_have_this_precision():
        return _on_the_spot(function, like, operand)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), leaf.dtype), like)

    def on_host(operand: Any) -> Any:
        with np.errstate(all="ignore"):
            result = function(jax.tree.map(np.asarray, operand), PYTHON)
        return jax.tree.map(lambda leaf, shape: np.asarray(leaf, shape.dtype), result, shapes)

    return jax.pure_callback(on_host, shapes, operand, vmap_method="sequential")


def _others_have_this_precision() -> bool:
    """Whether float64 is allowed here as elsewhere: `with jax.enable_x64(...)` is of one thread.

    What is called back is called in another.
    """
    elsewhere: list[bool] = []
    thread = Thread(target=lambda: elsewhere.append(jax.config.jax_enable_x64))
    thread.start()
    thread.join()
    return elsewhere == [jax.config.jax_enable_x64]


# XLA moves what does not change out of a loop, and so works it out even if the loop is never
# entered. It leaves the branches of a conditional alone.
JAX = Control(_fori_loop, lax.cond, _aside, lax.map)
"""Of JAX. Under `jax.vmap` both branches of a `cond` are run, and with them the ends of windows."""

WITHOUT_HOST = Control(_fori_loop, lax.cond, _on_the_spot, lax.map)
"""For several devices: what is done aside would gather all particles on one host."""
