"""A learned energy of digits: class logits at every noise level, trained by denoising.

A network gives U(x, y | s) of an image x with Gaussian noise of standard deviation s added to its
pixels in [0, 1]. Without a label the energy is -log sum_y exp(-U(x, y | s)), as in Grathwohl et
al.'s JEM (arXiv:1912.03263). Its gradient is trained by denoising (Vincent 2011), of
all and of the right label, and its logits by the labels. Noise levels take the place of
temperatures: the larger s, the smoother the density.
"""

import warnings
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.energies.data import Data, digits, mnist, noisy
from benchmarks.energies.networks import Filtered, Perceptron
from fhl_ppl.energies import Energy, Labelled, energy, labelled

LABELS = 10
BATCH = 256


class Model(NamedTuple):
    """What is learnt, by what network, at which noise levels, and in how many steps."""

    data: Callable[[], Data]
    network: Perceptron
    levels: tuple[float, float]
    steps: int

    @property
    def dim(self) -> int:
        return self.network.sizes[0]

    def loss(self, parameters, key, images, labels):
        """Denoising of all and of the right label, and the label itself."""
        one, two, three = jax.random.split(key, 3)
        which = jax.random.randint(one, (BATCH,), 0, len(images))
        low, high = jnp.log(jnp.array(self.levels))
        s = jnp.exp(jax.random.uniform(two, (BATCH,), minval=low, maxval=high))
        xi = jax.random.normal(three, (BATCH, self.dim))
        x, y = images[which] + s[:, None] * xi, labels[which]

        def both(x):
            energies = self.network.per_label(parameters, x, s)
            return jnp.sum(-jax.nn.logsumexp(-energies, -1)), energies

        marginal, energies = jax.grad(both, has_aux=True)(x)
        right = jax.grad(
            lambda x: jnp.sum(
                jnp.take_along_axis(self.network.per_label(parameters, x, s), y[:, None], 1)
            )
        )(x)
        denoising = [jnp.mean(jnp.sum((s[:, None] * g - xi) ** 2, -1)) for g in (marginal, right)]
        naming = -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(-energies), y[:, None], 1))
        return denoising[0] + 0.5 * denoising[1] + naming


DIGITS = Model(digits, Perceptron((64, 160, 160, LABELS)), (0.1, 1.0), 6000)
MNIST = Model(mnist, Filtered((784, 512, 512, LABELS), mnist), (0.2, 2.0), 3000)


class Trained(NamedTuple):
    """A model with its parameters, as energies at one noise level."""

    model: Model
    parameters: Any

    def at_noise(self, s: float) -> Callable:
        """Energies [batch, label] of a batch of images."""
        return lambda x: self.model.network.per_label(self.parameters, x, s)

    def unconditional(self, s: float) -> Energy:
        """Of images alone."""
        network = self.at_noise(s)
        return energy(lambda x: -jax.nn.logsumexp(-network(x), -1), "image")

    def of_class(self, s: float, label: int) -> Energy:
        """Of the images of a class."""
        network = self.at_noise(s)
        return energy(lambda x: network(x)[:, label], "image")

    def with_label(self, s: float) -> Labelled:
        """Of image and code of the label."""
        return labelled(self.at_noise(s), "image", "code")


@cache
def trained(model: Model, quick: bool = False, seed: int = 0) -> Trained:
    """Train; the same on every call."""
    steps = 50 if quick else model.steps
    data = model.data()
    images, labels = jnp.asarray(data.images, jnp.float32), jnp.asarray(data.labels)
    first, loop = jax.random.split(jax.random.key(seed))
    parameters = model.network.initial(first)
    optimiser = optax.adam(optax.cosine_decay_schedule(2e-3, steps))

    @jax.jit
    def some(carry, begin):
        def step(i, carry):
            parameters, memory = carry
            key = jax.random.fold_in(loop, i)
            update, memory = optimiser.update(
                jax.grad(model.loss)(parameters, key, images, labels), memory
            )
            return optax.apply_updates(parameters, update), memory

        return jax.lax.fori_loop(begin, begin + steps // 10, step, carry)

    carry = parameters, optimiser.init(parameters)
    test = jax.jit(partial(model.loss, images=images, labels=labels))
    for part in range(10):
        carry = some(carry, part * (steps // 10))
        print(f"\rtraining: {part + 1}0%, loss {float(test(carry[0], loop)):.2f}", end="")
    print(flush=True)
    return Trained(model, carry[0])


@cache
def judge(model: Model, s: float) -> tuple[MLPClassifier, float]:
    """A second classifier, trained with noise and by nothing of the model; and its accuracy."""
    data = model.data()
    many = np.concatenate([noisy(data.images, s, seed) for seed in range(16)])
    classifier = MLPClassifier((64,), max_iter=12, random_state=0)
    with warnings.catch_warnings():
        # Stopped early on purpose, before it knows the noise by heart.
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(many, np.tile(data.labels, 16))
    return classifier, float(classifier.score(noisy(data.held_out, s, 99), data.held_out_labels))
