"""Minibatches of a model with subsampling plates: all rows, some rows, and a control variate.

Section 5 of docs/algorithm.md has the control variate, and why any anchor is exact.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import random
from jax.flatten_util import ravel_pytree
from jax.scipy.optimize import minimize
from numpyro import handlers
from numpyro.primitives import Messenger

from fhl_ppl.arguments import check_batches

Array = Any
Args = tuple[Any, ...]
Kwargs = dict[str, Any]

MAX_ITERATIONS = 200
"""Of the search for the anchor, each with a line search over all rows."""


class Anchor(NamedTuple):
    """The point a of the control variate, with U and its gradient there of all rows.

    Shapes: [dim], scalar, [dim].
    """

    position: Array
    potential_energy: Array
    gradient: Array


class _AllRows(Messenger):
    """Lets plates that subsample take all of their rows."""

    def process_message(self, msg: dict[str, Any]) -> None:
        if msg["type"] == "plate":
            _take(msg, jnp.arange(msg["args"][0]))


class _Rows(Messenger):
    """Lets the plates that are named take the given rows, even where all were taken inside."""

    def __init__(self, rows: Mapping[str, Array]) -> None:
        super().__init__()
        self._rows = rows

    def process_message(self, msg: dict[str, Any]) -> None:
        if msg["type"] == "plate" and msg["name"] in self._rows:
            _take(msg, self._rows[msg["name"]])


def _take(msg: dict[str, Any], rows: Array) -> None:
    msg["value"] = rows
    msg["args"] = (msg["args"][0], len(rows))


def with_all_rows(model: Callable[..., Any]) -> Callable[..., Any]:
    """Give the model with every plate in full; it can be pickled if `model` can."""
    return partial(_in_full, model)


def _in_full(model: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with _AllRows():
        return model(*args, **kwargs)


def subsampled_plates(
    model: Callable[..., Any], key: Array, model_args: Args, model_kwargs: Kwargs
) -> dict[str, tuple[int, int]]:
    """(size, subsample_size) of each plate that subsamples, by name.

    Raises
    ------
    ValueError
        If there is none, or one of no rows, or a latent site lies within one.
    """
    trace = handlers.trace(handlers.seed(model, key)).get_trace(*model_args, **model_kwargs)
    plates = {
        name: site["args"]
        for name, site in trace.items()
        if site["type"] == "plate" and site["args"][1] not in (None, site["args"][0])
    }
    check_batches(plates)
    for name, site in trace.items():
        if site["type"] != "sample" or site["is_observed"]:
            continue
        for frame in site["cond_indep_stack"]:
            if frame.name in plates:
                raise ValueError(
                    f"latent site {name!r} lies within plate {frame.name!r}, which subsamples: "
                    "minibatch=True is exact only where a batch leaves out no latent variable. "
                    "Move the site out of the plate, or leave subsample_size out."
                )
    return plates


def shares(plates: Mapping[str, tuple[int, int]]) -> tuple[float, ...]:
    """Share of its rows that each plate draws."""
    return tuple(subsample_size / size for size, subsample_size in plates.values())


def draw_rows(plates: Mapping[str, tuple[int, int]], key: Array) -> dict[str, Array]:
    """Draw rows of each plate, with replacement: a permutation would cost as much as all rows."""
    keys = random.split(key, len(plates))
    return {
        name: random.randint(own, (subsample_size,), 0, size)
        for own, (name, (size, subsample_size)) in zip(keys, plates.items(), strict=True)
    }


def find_anchor(potential_fn: Callable[[Any], Array], start: Any, given: bool) -> Anchor:
    """Find the mode from `start`, one particle's pytree, or take `start` if it is `given`."""
    flat, unravel = ravel_pytree(start)

    def energy(position: Array) -> Array:
        return jnp.reshape(potential_fn(unravel(position)), ())

    position = flat
    if not given:
        # The first step is the gradient's; of unit length, lest its line search finds nothing.
        length = jnp.linalg.norm(jax.grad(energy)(flat))
        found = minimize(
            lambda there: energy(there) / jnp.where(length > 0, length, 1.0),
            flat,
            method="BFGS",
            options={"maxiter": MAX_ITERATIONS},
        ).x
        # In single precision it ends in rounding, which is near enough.
        position = jnp.where(jnp.all(jnp.isfinite(found)), found, flat)
    return Anchor(position, *jax.value_and_grad(energy)(position))


def controlled(
    potential_fn: Callable[[Any], Array],
    plates: Mapping[str, tuple[int, int]],
    anchor: Anchor,
    unravel: Callable[[Array], Any],
) -> Callable[[Array, Array], tuple[Array, Array]]:
    """Energy and gradient of a batch with the control variate: (q [dim], key) -> (u, g [dim]).

    g is the gradient of u, which differs from U in second order of q - a.

    Parameters
    ----------
    potential_fn
        Of one particle's pytree, from a model under `with_all_rows`.
    plates
        From `subsampled_plates`.
    """

    def draw(position: Array, key: Array) -> tuple[Array, Array]:
        rows = draw_rows(plates, key)

        @jax.value_and_grad
        def of_batch(flat: Array) -> Array:
            with _Rows(rows):
                return jnp.reshape(potential_fn(unravel(flat)), ())

        energy, gradient = of_batch(position)
        energy_there, gradient_there = of_batch(anchor.position)
        correction = anchor.gradient - gradient_there
        shift = correction @ (position - anchor.position)
        return anchor.potential_energy + energy - energy_there + shift, gradient + correction

    return draw
