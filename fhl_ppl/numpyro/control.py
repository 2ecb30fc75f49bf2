"""Loops and branches of compiled programs."""

from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap
from jax.sharding import Mesh

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


def _on_the_spot(due: Any, function: Callable[..., Any], known: Any, particles: Any) -> Any:
    return lax.cond(
        due, lambda both: function(*both, WITHOUT_HOST), lambda both: both, (known, particles)
    )


def _aside(due: Any, function: Callable[..., Any], known: Any, particles: Any) -> Any:
    if not _may_call_back():
        return _on_the_spot(due, function, known, particles)
    both = known, particles
    call = _by_host(function, both)

    @custom_vmap
    def of_one(due: Any, both: Any) -> Any:
        return lax.cond(due, call, lambda same: same, both)

    # Of chains side by side all are due at once. Both branches of their `cond` would be run, and so
    # the host be called in every iteration.
    @of_one.def_vmap
    def of_many(size: int, batched: Any, *arguments: Any) -> Any:
        due, both = jax.tree.map(
            lambda leaf, has: leaf if has else jnp.broadcast_to(leaf, (size, *jnp.shape(leaf))),
            arguments,
            tuple(batched),
        )

        def where_due(both: Any) -> Any:
            return jax.tree.map(partial(jax.vmap(jnp.where), due), jax.vmap(call)(both), both)

        result = lax.cond(jnp.any(due), where_due, lambda same: same, both)
        return result, jax.tree.map(lambda _: True, result)

    return of_one(due, both)


def _may_call_back() -> bool:
    # A program that calls back is not stored; one that is stored is compiled once.
    is_stored = jax.config.jax_compilation_cache_dir and jax.config.jax_enable_compilation_cache
    return not is_stored and _others_have_this_precision()


def _by_host(function: Callable[..., Any], both: Any) -> Callable[[Any], Any]:
    """A function of JAX's arrays that calls `function` with NumPy's; it returns what it is given.

    `both` are arrays of the same shapes.
    """
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), leaf.dtype), both)

    def on_host(both: Any) -> Any:
        with np.errstate(all="ignore"):
            result = function(*jax.tree.map(np.asarray, both), PYTHON)
        return jax.tree.map(lambda leaf, shape: np.asarray(leaf, shape.dtype), result, shapes)

    def call(both: Any) -> Any:
        return jax.pure_callback(on_host, shapes, both, vmap_method="sequential")

    return call


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
"""Of JAX. Under `jax.vmap` both branches of a `cond` are run."""

WITHOUT_HOST = Control(_fori_loop, lax.cond, _on_the_spot, lax.map)
"""The same in one program, which calls nothing back."""


def control_of(mesh: Mesh | None) -> Control:
    """Of particles on one device, or on those of `mesh`, which call no host and wait for none."""
    return JAX if mesh is None or mesh.size == 1 else WITHOUT_HOST
