"""From a potential on a pytree to energies and forces of all particles at once."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax, random
from jax.flatten_util import ravel_pytree

from fhl_ppl.core.target import Plain, RandomForce

Array = Any

Evaluation = str | int
"""How all particles are evaluated: "vmap" at once, "map" one by one, or so many at a time."""


def potential_and_gradient(
    potential_fn: Callable[[Any], Array],
    gradient_fn: Callable[[Any], Any] | None,
    unravel: Callable[[Array], Any],
    forward_mode: bool,
    evaluation: Evaluation,
) -> Plain:
    """Energy and force of all particles at once, [particle] and [particle, dim].

    Of one particle, `potential_fn` and `gradient_fn` take the pytree that `unravel` makes of its
    position [dim]. Without a `gradient_fn` there is automatic differentiation, forward or reverse;
    `evaluation` is "vmap" for all at once, "map" for one after the other, or how many at a time.
    """
    energy = _of_position(potential_fn, unravel)

    def reverse(position: Array) -> tuple[Array, Array]:
        return jax.value_and_grad(energy)(position)

    def forward(position: Array) -> tuple[Array, Array]:
        return energy(position), jax.jacfwd(energy)(position)

    def given(position: Array) -> tuple[Array, Array]:
        assert gradient_fn is not None
        return energy(position), _force(gradient_fn(unravel(position)), position)

    one = given if gradient_fn is not None else forward if forward_mode else reverse
    return Plain(_each(one, evaluation))


def energies(
    potential_fn: Callable[[Any], Array], unravel: Callable[[Array], Any], evaluation: Evaluation
) -> Callable[[Array], Array]:
    """Energy alone of all particles at once, [particle]; arguments as above."""
    each: Callable[[Array], Array] = _each(_of_position(potential_fn, unravel), evaluation)
    return each


def noisy_force(
    potential_fn: Callable[[Any], Array],
    gradient_fn: Callable[[Any, Array], Any],
    unravel: Callable[[Array], Any],
    keys: Array,
    evaluation: Evaluation,
) -> RandomForce:
    """As `potential_and_gradient`, for a `gradient_fn` that takes a key; `keys` [particle]."""
    energy = _of_position(potential_fn, unravel)

    def force(position: Array, key: Array) -> Array:
        return _force(gradient_fn(unravel(position), key), position)

    def draw(position: Array, number: Array, known: Array, is_start: Array) -> tuple[Array, Array]:
        energies = lax.cond(is_start, lambda _: known, _each(energy, evaluation), position)
        return energies, _each(force, evaluation)(position, _fold_in(keys, number))

    return RandomForce(draw)


def batch_force(
    potential_fn: Callable[[Any], Array],
    of_batch: Callable[[Array, Array], tuple[Array, Array]],
    unravel: Callable[[Array], Any],
    keys: Array,
    evaluation: Evaluation,
) -> RandomForce:
    """The same for `of_batch`, (q [dim], key) -> (u, g [dim]), and `potential_fn` of all rows."""
    energy = _of_position(potential_fn, unravel)

    def draw(position: Array, number: Array, known: Array, is_start: Array) -> tuple[Array, Array]:
        return _each(of_batch, evaluation)(position, _fold_in(keys, number))

    return RandomForce(draw, _each(energy, evaluation))


def _of_position(
    potential_fn: Callable[[Any], Array], unravel: Callable[[Array], Any]
) -> Callable[[Array], Array]:
    """Energy of a position [dim], of its type: data of another make it one of theirs."""
    return lambda position: jnp.reshape(
        jnp.asarray(potential_fn(unravel(position)), position.dtype), ()
    )


def _fold_in(keys: Array, number: Array) -> Array:
    return jax.vmap(lambda key: random.fold_in(key, number))(keys)


def _force(gradient: Any, position: Array) -> Array:
    flat, _ = ravel_pytree(gradient)
    # Where it fails there is no force; a proposal lost there would wall that region off.
    return jnp.asarray(jnp.where(jnp.isfinite(flat), flat, 0.0), position.dtype)


def _each(one: Callable[..., Any], evaluation: Evaluation) -> Callable[..., Any]:
    if evaluation == "vmap":
        return jax.vmap(one)
    size = None if evaluation == "map" else evaluation
    return lambda *arrays: lax.map(lambda row: one(*row), arrays, batch_size=size)


def check_evaluation(evaluation: Any) -> None:
    """Insist on a way of evaluating all particles.

    Raises
    ------
    ValueError
        If it is none.
    """
    is_size = isinstance(evaluation, int) and not isinstance(evaluation, bool) and evaluation > 0
    is_name = isinstance(evaluation, str) and evaluation in ("vmap", "map")
    if not (is_size or is_name):
        raise ValueError(
            f'evaluation must be "vmap", "map" or how many particles at a time, got {evaluation!r}.'
        )


def slices(z: Any) -> dict[str, slice]:
    """Where each site lies in the flat position; empty for a pytree that is no dict."""
    if not isinstance(z, dict):
        return {}
    slices, begin = {}, 0
    for name in sorted(z):
        size = sum(leaf.size for leaf in jax.tree.leaves(z[name]))
        slices[name] = slice(begin, begin + size)
        begin += size
    return slices


def check_potential(
    potential_fn: Callable[[Any], Array], z: Any, name: str = "potential_fn"
) -> None:
    """Refuse a potential, of that `name`, that is no real scalar; `z` is one particle's pytree.

    Raises
    ------
    ValueError
        If the potential does not return one number, or one that has no gradient.
    TypeError
        If JAX cannot trace it.
    """
    value = _traced(name, potential_fn, z)
    if not isinstance(value, jax.ShapeDtypeStruct) or value.size != 1:
        raise ValueError(
            f"{name} must return one number, an array, got "
            f"{jax.tree.map(lambda x: x.shape, value)}."
        )
    if not jnp.issubdtype(value.dtype, jnp.floating):
        raise ValueError(
            f"{name} must return a real number of floating point, got {value.dtype}; convert "
            "it, or return the real part."
        )


def _traced(name: str, function: Callable[..., Any], *args: Any) -> Any:
    """Shapes and types of what a user's function returns."""
    try:
        return jax.eval_shape(function, *args)
    except TypeError as error:
        # So are those of JAX about what it cannot trace.
        raise TypeError(
            f"{name} must be a function of one particle's parameters that JAX can trace (a "
            'simulator can be called by jax.pure_callback, with evaluation="map"); it raised '
            f"{type(error).__name__}: {str(error).splitlines()[0]}"
        ) from error


def check_noise(gradient_fn: Callable[[Any, Array], Any], z: Any, keys: Array) -> None:
    """Refuse a `gradient_fn` that gives the same at one point whatever its key is, of several.

    Raises
    ------
    ValueError
        If it does: noise that particles share is biased wherever followers are pulled.
    """
    drawn = jax.jit(lambda z, keys: lax.map(lambda key: gradient_fn(z, key), keys))(z, keys)
    if all(bool((leaf == leaf[0]).all()) for leaf in jax.tree.leaves(drawn)):
        raise ValueError(
            f"gradient_fn gives the same for {len(keys)} different keys at the start, so that "
            "particles would share what noise it has, which biases the draws; draw the noise from "
            "the key it is given, or leave noisy_gradient=True out if there is none."
        )


def check_gradient_fn(gradient_fn: Callable[..., Any], z: Any, *noise: Array) -> None:
    """Refuse a `gradient_fn` that cannot be called, or whose result is not shaped as `z`.

    `noise` is the key that a noisy one takes.

    Raises
    ------
    TypeError
        If a noisy one does not take a key, or JAX cannot trace it.
    ValueError
        Naming both structures, or a complex type.
    """

    def shapes(tree: Any) -> Any:
        return jax.tree.map(jnp.shape, tree)

    if noise:
        try:
            inspect.signature(gradient_fn).bind(z, *noise)
        except TypeError:
            raise TypeError(
                "noisy_gradient=True needs a gradient_fn of the parameters and a random key, "
                f"gradient_fn(params, rng_key); {gradient_fn!r} takes other arguments."
            ) from None
    result = _traced("gradient_fn", gradient_fn, z, *noise)
    if any(jnp.issubdtype(leaf.dtype, jnp.complexfloating) for leaf in jax.tree.leaves(result)):
        raise ValueError("gradient_fn must return real numbers, got complex ones.")
    if jax.tree.structure(result) != jax.tree.structure(z) or shapes(result) != shapes(z):
        raise ValueError(
            "gradient_fn must return dU/dq shaped as the parameters it is given, "
            f"{shapes(z)}; it returned {shapes(result)}."
        )
