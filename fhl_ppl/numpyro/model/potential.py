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

    def energy(position: Array) -> Array:
        return jnp.reshape(potential_fn(unravel(position)), ())

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
    each: Callable[[Array], Array] = _each(
        lambda position: jnp.reshape(potential_fn(unravel(position)), ()), evaluation
    )
    return each


def noisy_force(
    potential_fn: Callable[[Any], Array],
    gradient_fn: Callable[[Any, Array], Any],
    unravel: Callable[[Array], Any],
    keys: Array,
    evaluation: Evaluation,
) -> RandomForce:
    """As `potential_and_gradient`, for a `gradient_fn` that takes a key; `keys` [particle]."""

    def energy(position: Array) -> Array:
        return jnp.reshape(potential_fn(unravel(position)), ())

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

    def energy(position: Array) -> Array:
        return jnp.reshape(potential_fn(unravel(position)), ())

    def draw(position: Array, number: Array, known: Array, is_start: Array) -> tuple[Array, Array]:
        return _each(of_batch, evaluation)(position, _fold_in(keys, number))

    return RandomForce(draw, _each(energy, evaluation))


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
    if not (is_size or evaluation in ("vmap", "map")):
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


def check_potential(potential_fn: Callable[[Any], Array], z: Any) -> None:
    """Refuse parameters that cannot move and a potential that is no scalar.

    `z` is one particle's pytree.

    Raises
    ------
    ValueError
        If a leaf is not floating point, or the potential does not return one number.
    """
    for path, leaf in jax.tree_util.tree_flatten_with_path(z)[0]:
        if not jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
            raise ValueError(
                f"init_params{jax.tree_util.keystr(path)} has dtype {jnp.result_type(leaf)}; FHL "
                "moves floating-point parameters only. Convert it, or close over it."
            )
    value = jax.eval_shape(potential_fn, z)
    size = sum(leaf.size for leaf in jax.tree.leaves(value))
    if len(jax.tree.leaves(value)) != 1 or size != 1:
        raise ValueError(
            f"potential_fn must return one number, got {jax.tree.map(lambda x: x.shape, value)}."
        )


def check_gradient_fn(gradient_fn: Callable[..., Any], z: Any, *noise: Array) -> None:
    """Refuse a `gradient_fn` that cannot be called, or whose result is not shaped as `z`.

    `noise` is the key that a noisy one takes.

    Raises
    ------
    TypeError
        If a noisy one does not take a key.
    ValueError
        Naming both structures.
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
    result = jax.eval_shape(gradient_fn, z, *noise)
    if jax.tree.structure(result) != jax.tree.structure(z) or shapes(result) != shapes(z):
        raise ValueError(
            "gradient_fn must return dU/dq shaped as the parameters it is given, "
            f"{shapes(z)}; it returned {shapes(result)}."
        )
