"""Small learned energies: a network trained by denoising score matching."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

Array = Any
BATCH = 256


def network(key: Array, dim: int, width: int, layers: int) -> list[tuple[Array, Array]]:
    """Weights and offsets of `layers` hidden layers and a scalar output."""
    sizes = [dim] + [width] * layers + [1]
    keys = jax.random.split(key, len(sizes) - 1)
    return [
        (jax.random.normal(k, (a, b), jnp.float32) * (2 / a) ** 0.5, jnp.zeros(b, jnp.float32))
        for k, a, b in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]


def energy(parameters: list, tail: float, q: Array) -> Array:
    """U(q) of q [dim]: hidden layers with shortcuts, and a quadratic that keeps it proper."""
    x = q.astype(jnp.float32)
    for i, (weight, offset) in enumerate(parameters[:-1]):
        step = jax.nn.silu(x @ weight + offset)
        x = step if i == 0 else x + step
    weight, offset = parameters[-1]
    return ((x @ weight + offset)[0] + tail * jnp.sum(q**2) / 2).astype(q.dtype)


def learn(
    draw: Callable[[Array, int], Array],
    seed: int,
    noise: float,
    width: int,
    layers: int,
    steps: int,
    tail: float = 0.1,
) -> Callable[[Array], Array]:
    """Train on fresh draws (key, n) -> [n, dim]; the target is smoothed by `noise`.

    The gradient at q + noise xi is asked to be xi / noise (Vincent 2011).
    """
    first, loop = jax.random.split(jax.random.key(seed))
    dim = draw(first, 1).shape[1]
    parameters = network(first, dim, width, layers)
    optimiser = optax.adam(optax.cosine_decay_schedule(3e-3, steps))

    def loss(parameters, key):
        one, two = jax.random.split(key)
        clean = draw(one, BATCH).astype(jnp.float32)
        xi = jax.random.normal(two, clean.shape, jnp.float32)
        gradient = jax.vmap(jax.grad(partial(energy, parameters, tail)))(clean + noise * xi)
        return jnp.mean(jnp.sum((noise * gradient - xi) ** 2, -1))

    def step(i, carry):
        parameters, memory = carry
        slope = jax.grad(loss)(parameters, jax.random.fold_in(loop, i))
        update, memory = optimiser.update(slope, memory)
        return optax.apply_updates(parameters, update), memory

    trained = jax.jit(lambda carry: lax.fori_loop(0, steps, step, carry))
    parameters, _ = trained((parameters, optimiser.init(parameters)))
    return partial(energy, parameters, tail)
