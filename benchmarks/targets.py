"""Targets on which gradients do not tell all: two modes, no gradient, that of another density."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Array = Any
LOG_ZERO = -1000.0


class Target(NamedTuple):
    """A potential, the force to use with it (None: its gradient), and where to start."""

    potential: Callable[[Array], Array]
    gradient: Callable[[Array], Array] | None
    start: Callable[[Array, int], Array]


def two_modes(dim: int) -> Target:
    """Weights .3 and .7, 6 standard deviations apart; half of the chains start in each."""
    apart = jnp.zeros(dim).at[0].set(6.0)

    def potential(q):
        near, far = jnp.sum(q**2), jnp.sum((q - apart) ** 2)
        return -jnp.logaddexp(jnp.log(0.3) - near / 2, jnp.log(0.7) - far / 2)

    def start(key, chains):
        return jax.random.normal(key, (chains, dim)) + apart * (jnp.arange(chains)[:, None] % 2)

    return Target(potential, None, start)


def no_gradient(dim: int) -> Target:
    """N(1, I) from N(0, 4 I) with a zero gradient, the paper's metastability."""
    return Target(
        lambda q: jnp.sum((q - 1) ** 2) / 2,
        jnp.zeros_like,
        lambda key, chains: 2 * jax.random.normal(key, (chains, dim)),
    )


def eight_to_four(nuisance: int) -> Target:
    """The paper's composition: gradient of 8 modes on a circle, energy of every second one."""
    dim, variance = 2 + nuisance, 0.002
    angle = jnp.arange(8) * jnp.pi / 4
    modes = jnp.zeros((8, dim)).at[:, 0].set(jnp.cos(angle)).at[:, 1].set(jnp.sin(angle))

    def all_modes(q):
        return -jax.nn.logsumexp(-jnp.sum((q - modes) ** 2, -1) / (2 * variance))

    def potential(q):
        return all_modes(q) + jnp.where(is_right(q), 0.0, -LOG_ZERO)

    def start(key, chains):
        spread = jnp.where(jnp.arange(dim) < 2, 1.0, 0.2)
        return jax.random.normal(key, (chains, dim)) * spread

    return Target(potential, jax.grad(all_modes), start)


def is_right(q: Array) -> Array:
    """Whether q lies within .2 of one of the four modes, in the plane of the circle."""
    angle = jnp.arange(0, 8, 2) * jnp.pi / 4
    modes = jnp.stack([jnp.cos(angle), jnp.sin(angle)], 1)
    return jnp.min(jnp.sum((q[:2] - modes) ** 2, -1)) < 0.04
