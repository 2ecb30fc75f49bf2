"""Random numbers of one iteration, from JAX keys: every particle has its own stream."""

from typing import Any

import jax
from jax import random

from fhl_ppl.core.state import Draws

Array = Any


def particle_keys(rng_key: Array, num_particles: int) -> tuple[Array, Array]:
    """Advance `rng_key` and give every particle a key: (next `rng_key`, keys [particle]).

    `rng_key` is either one key, the chain's, or a batch of one key for each particle.
    """
    if is_batch(rng_key):
        pairs = jax.vmap(random.split)(rng_key)
        return pairs[:, 0], pairs[:, 1]
    rng_key, key = random.split(rng_key)
    return rng_key, random.split(key, num_particles)


def draw(keys: Array, dim: int, dtype: Any) -> Draws:
    """Draw all that one iteration needs from one key for each particle."""

    def of_particle(key: Array) -> tuple[Array, Array]:
        normal_key, uniform_key = random.split(key)
        return random.normal(normal_key, (dim,), dtype), random.uniform(uniform_key, (3,), dtype)

    noise, uniform = jax.vmap(of_particle)(keys)
    return Draws(noise, role=uniform[:, 0], accept=uniform[:, 1], strength=uniform[:, 2])


def force_keys(keys: Array) -> Array:
    """Keys [particle] for a random force, apart from those that `draw` makes of `keys`."""
    return jax.vmap(lambda key: random.split(key, 3)[2])(keys)


def is_batch(rng_key: Array) -> bool:
    """Whether `rng_key` is a batch of keys, typed or legacy."""
    typed = jax.dtypes.issubdtype(rng_key.dtype, jax.dtypes.prng_key)
    return rng_key.ndim > (0 if typed else 1)
