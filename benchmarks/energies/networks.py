"""Networks that give an energy for each label of images with noise, at any level of it.

U(x, y | s) = x^T V(s) x / 2 - f_y(x, s): of a Gaussian, so that it grows far out, less logits.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from benchmarks.energies.data import Data


@dataclass(frozen=True)
class Perceptron:
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

    def per_label(self, parameters, x, s):
        """U [batch, label] of x [batch, pixel] at noise s, a number or [batch]."""
        log_s = jnp.broadcast_to(jnp.log(s), (len(x),))[:, None]
        angles = log_s * jnp.array([0.5, 1.0, 2.0])
        level = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], 1)
        hidden, gaussian = self.seen(x, jnp.exp(2 * log_s))
        for i, (weight, at_level, offset) in enumerate(parameters[:-1]):
            step = jax.nn.silu(hidden @ weight + level @ at_level + offset)
            hidden = step if i == 0 else hidden + step
        weight, at_level, offset = parameters[-1]
        # The nearer the images, the steeper the energy between them.
        logits = (hidden @ weight + level @ at_level + offset) / jnp.exp(log_s)
        return gaussian[:, None] - logits

    def seen(self, x, square):
        """What the first layer sees at a noise of this square, and the energy of the Gaussian."""
        return x / jnp.sqrt(square + 0.2), jnp.sum(x**2 / (2 * (square + 0.1)), -1)


@dataclass(frozen=True)
class Filtered(Perceptron):
    """The same for pixels of which many never vary: the noise on them does not reach a layer.

    The Gaussian has each pixel's own variance, and the first layer sees a pixel by its share of
    that in what is there with noise. Without it MNIST's margins took most of the training.
    """

    data: Callable[[], Data]

    def seen(self, x, square):
        """As above."""
        own = jnp.asarray(self.data().images.var(0) + 1e-3, jnp.float32)
        return 2 * x * jnp.sqrt(own / (square + own)), jnp.sum(x**2 / (2 * (square + own)), -1)
