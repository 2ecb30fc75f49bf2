"""Networks that give logits of images with noise, at any level of it."""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Perceptron(NamedTuple):
    """Layers of these sizes, pixels first and labels last; the level is added to each."""

    sizes: tuple[int, ...]

    def initial(self, key):
        keys = jax.random.split(key, 2 * len(self.sizes))
        return [
            (
                jax.random.normal(keys[2 * i], (a, b)) * (1 / a) ** 0.5,
                jax.random.normal(keys[2 * i + 1], (6, b)) * 0.3,
                jnp.zeros(b),
            )
            for i, (a, b) in enumerate(itertools.pairwise(self.sizes))
        ]

    def logits(self, parameters, x, s):
        """f [batch, label] of x [batch, pixel] at noise s, a number or [batch]."""
        log_s = jnp.broadcast_to(jnp.log(s), (len(x),))[:, None]
        angles = log_s * jnp.array([0.5, 1.0, 2.0])
        level = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], 1)
        hidden = x / jnp.sqrt(jnp.exp(2 * log_s) + 0.2)
        for i, (weight, at_level, offset) in enumerate(parameters[:-1]):
            step = jax.nn.silu(hidden @ weight + level @ at_level + offset)
            hidden = step if i == 0 else hidden + step
        weight, at_level, offset = parameters[-1]
        # The nearer the images, the steeper the energy between them.
        return (hidden @ weight + level @ at_level + offset) / jnp.exp(log_s)
