"""A learned energy of 8 x 8 digits: class logits at every noise level, trained by denoising.

U(x, y | s) = |x|^2 / (2 (s^2 + TAIL)) - f_y(x, s) for images of 64 pixels in [0, 1] with Gaussian
noise of standard deviation s added. Without a label it is -log sum_y exp(-U(x, y | s)), as in
Grathwohl et al.'s JEM (arXiv:1912.03263). Its gradient is trained by denoising (Vincent 2011), of
all and of the right label, and its logits by the labels. Noise levels take the place of
temperatures: the larger s, the smoother the density.
"""

import itertools
import warnings
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from fhl_ppl.energies import energy, labelled

DIM, LABELS, TRAINED = 64, 10, 1400
LEVELS = (0.1, 1.0)
"""Noise levels that it is trained at, evenly in the logarithm."""
TAIL, WIDTH, BATCH = 0.1, 160, 256
STEPS = 6000


@cache
def data():
    """Images [image, 64] and labels, to train with and held out, in a fixed random order."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images, labels = digits.data[order] / 16, digits.target[order]
    return (images[:TRAINED], labels[:TRAINED]), (images[TRAINED:], labels[TRAINED:])


def logits(parameters, x, s):
    """f [batch, label] of x [batch, 64] at noise s, a number or [batch]."""
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


def per_label(parameters, x, s):
    """U(x, y | s), [batch, label]."""
    square = jnp.sum(x**2, -1) / (2 * (jnp.asarray(s) ** 2 + TAIL))
    return square[:, None] - logits(parameters, x, s)


def initial(key):
    sizes = [DIM, WIDTH, WIDTH, LABELS]
    keys = jax.random.split(key, 2 * len(sizes))
    return [
        (
            jax.random.normal(keys[2 * i], (a, b)) * (1 / a) ** 0.5,
            jax.random.normal(keys[2 * i + 1], (6, b)) * 0.3,
            jnp.zeros(b),
        )
        for i, (a, b) in enumerate(itertools.pairwise(sizes))
    ]


def loss(parameters, key, images, labels):
    """Denoising of all and of the right label, and the label itself."""
    one, two, three = jax.random.split(key, 3)
    which = jax.random.randint(one, (BATCH,), 0, len(images))
    low, high = jnp.log(jnp.array(LEVELS))
    s = jnp.exp(jax.random.uniform(two, (BATCH,), minval=low, maxval=high))
    xi = jax.random.normal(three, (BATCH, DIM))
    x, y = images[which] + s[:, None] * xi, labels[which]

    def both(x):
        energies = per_label(parameters, x, s)
        marginal = -jax.nn.logsumexp(-energies, -1)
        return jnp.sum(marginal), energies

    marginal, energies = jax.grad(both, has_aux=True)(x)
    right = jax.grad(
        lambda x: jnp.sum(jnp.take_along_axis(per_label(parameters, x, s), y[:, None], 1))
    )(x)
    denoising = [jnp.mean(jnp.sum((s[:, None] * g - xi) ** 2, -1)) for g in (marginal, right)]
    naming = -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(-energies), y[:, None], 1))
    return denoising[0] + 0.5 * denoising[1] + naming


@cache
def trained(quick: bool = False, seed: int = 0):
    """The parameters; the same on every call."""
    steps = 50 if quick else STEPS
    (images, labels), _ = data()
    images, labels = jnp.asarray(images, jnp.float32), jnp.asarray(labels)
    first, loop = jax.random.split(jax.random.key(seed))
    parameters = initial(first)
    optimiser = optax.adam(optax.cosine_decay_schedule(2e-3, steps))

    @jax.jit
    def some(carry, begin):
        def step(i, carry):
            parameters, memory = carry
            slope = jax.grad(loss)(parameters, jax.random.fold_in(loop, i), images, labels)
            update, memory = optimiser.update(slope, memory)
            return optax.apply_updates(parameters, update), memory

        return jax.lax.fori_loop(begin, begin + steps // 10, step, carry)

    carry = parameters, optimiser.init(parameters)
    test = jax.jit(partial(loss, images=images, labels=labels))
    for part in range(10):
        carry = some(carry, part * (steps // 10))
        print(f"\rtraining: {part + 1}0%, loss {float(test(carry[0], loop)):.2f}", end="")
    print(flush=True)
    return carry[0]


def at_noise(parameters, s: float):
    """Energies [batch, label] of a batch of images, at one noise level."""
    return lambda x: per_label(parameters, x, s)


def unconditional(parameters, s: float):
    """The energy of images alone."""
    network = at_noise(parameters, s)
    return energy(lambda x: -jax.nn.logsumexp(-network(x), -1), "image")


def of_class(parameters, s: float, label: int):
    """The energy of the images of a class."""
    network = at_noise(parameters, s)
    return energy(lambda x: network(x)[:, label], "image")


def with_label(parameters, s: float):
    """The energy of image and code of the label."""
    return labelled(at_noise(parameters, s), "image", "code")


def noisy(images, s: float, seed: int):
    """Images with noise, as the model of level s has them."""
    return images + s * np.random.default_rng(seed).normal(size=images.shape)


@cache
def judge(s: float):
    """A second classifier, trained with noise and by nothing of the model; and its accuracy."""
    (images, labels), (held_out, right) = data()
    many = np.concatenate([noisy(images, s, seed) for seed in range(16)])
    classifier = MLPClassifier((64,), max_iter=12, random_state=0)
    with warnings.catch_warnings():
        # Stopped early on purpose, before it knows the noise by heart.
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(many, np.tile(labels, 16))
    return classifier, float(classifier.score(noisy(held_out, s, 99), right))
