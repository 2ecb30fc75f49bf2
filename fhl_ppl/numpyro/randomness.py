"""Random numbers of one iteration, from JAX keys."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random

from fhl_ppl.core.moves import UNIFORMS
from fhl_ppl.core.search.bounds import places_of
from fhl_ppl.core.search.ends import DRAWS
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


def iteration_keys(rng_key: Array) -> tuple[Array, Array, Array]:
    """Advance `rng_key`: (next `rng_key`, key of an iteration of all particles, of its force).

    Of a batch the first key decides: a stream of its own for each particle takes twice as long to
    compile, and the particles of a group depend on each other anyway.
    """
    if is_batch(rng_key):
        keys = random.split(rng_key[0], rng_key.shape[0] + 2)
        return keys[2:], keys[0], keys[1]
    rng_key, key, force_key = random.split(rng_key, 3)
    return rng_key, key, force_key


def replica_keys(keys: Array, temperatures: int) -> Array:
    """Of keys [particle] one for each replica, [temperature * particle]; one alone keeps its."""
    if temperatures == 1:
        return keys
    each = jnp.swapaxes(jax.vmap(lambda key: random.split(key, temperatures))(keys), 0, 1)
    return jnp.reshape(each, (-1, *each.shape[2:]))


def draw_of_replicas(
    key: Array, temperatures: int, num_particles: int, dim: int, dtype: Any
) -> tuple[Draws, Array]:
    """`draw` for each temperature, leaves [temperature, ...], and what swaps are tested by."""
    key, own = random.split(key)
    uniform = random.uniform(own, (temperatures - 1, num_particles), dtype)
    keys = random.split(key, temperatures)
    return jax.vmap(lambda key: draw(key, num_particles, dim, dtype))(keys), uniform


def draw(key: Array, num_particles: int, dim: int, dtype: Any) -> Draws:
    """Draw all that one iteration needs: one call, since each takes as long to compile as all."""
    # A column for each particle: where these are spread over devices, each draws its own.
    uniform = random.uniform(key, (dim + 3 + UNIFORMS, num_particles), dtype)
    # As `random.normal`: of [0, 1) makes (-1, 1), of that the normal quantile.
    least = np.nextafter(np.asarray(-1, dtype), np.asarray(0, dtype))
    noise = np.sqrt(2).astype(dtype) * lax.erf_inv(jnp.maximum(2 * uniform[:dim] - 1, least))
    role, accept, strength = uniform[dim : dim + 3]
    return Draws(noise.T, role, accept, strength, uniform[dim + 3 :].T)


def draw_of_search(keys: Array, turns: int, dim: int, dtype: Any) -> tuple[Array, Array]:
    """Noise and uniform numbers of a search for starts, by the first of `keys` [particle]."""
    noise_key, key = random.split(random.fold_in(keys[0], 1))
    num_places = turns * places_of(len(keys))
    noise = random.normal(noise_key, (DRAWS, num_places, dim), dtype)
    return noise, random.uniform(key, (num_places, dim + DRAWS), dtype, minval=np.finfo(dtype).tiny)


def force_keys(force_key: Array, num_particles: int) -> Array:
    """Keys [particle] for a random force."""
    return random.split(force_key, num_particles)


def is_batch(rng_key: Array) -> bool:
    """Whether `rng_key` is a batch of keys, typed or legacy."""
    typed = jax.dtypes.issubdtype(rng_key.dtype, jax.dtypes.prng_key)
    return rng_key.ndim > (0 if typed else 1)


def check_key(rng_key: Any) -> None:
    """Insist on a key of `jax.random`, or a batch of them.

    Raises
    ------
    TypeError
        If it is something else, such as a seed.
    """
    dtype = getattr(rng_key, "dtype", None)
    is_typed = dtype is not None and jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key)
    is_legacy = dtype == np.uint32 and np.ndim(rng_key) > 0
    if not (is_typed or is_legacy) or np.ndim(rng_key) - is_legacy > 1:
        raise TypeError(
            f"rng_key must be a key of jax.random, such as jax.random.key(0), or one for each "
            f"chain, got {rng_key!r}."
        )


def resumed_keys(old: Array, new: Array, first_decides: bool) -> Array:
    """Keys shaped as `old` to go on with, from as many, or if it decides from the first alone.

    Raises
    ------
    ValueError
        If `new` is something else.
    """
    check_key(new)
    if new.shape == old.shape:
        return new
    if first_decides and is_batch(old) and not is_batch(new) and new.dtype == old.dtype:
        return old.at[0].set(new)
    chains = [len(keys) if is_batch(keys) else 1 for keys in (old, new)]
    raise ValueError(
        f"the state to resume from is of {chains[0]} chains and keys of {old.dtype}, the run has "
        f"{chains[1]} and {new.dtype}. Give MCMC the num_chains and chain_method that the state "
        "comes from, and a kernel that is not shared with another MCMC."
    )
