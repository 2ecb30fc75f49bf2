"""The upper half of a digit given: which lower halves there are, and of which classes."""

import jax.numpy as jnp
import numpy as np

from benchmarks.energies.chains import Target
from benchmarks.energies.data import noisy
from benchmarks.energies.measures import distances
from benchmarks.energies.model import DIGITS, LABELS, trained
from benchmarks.energies.starts import from_data, noise_energy

KNOWN = 32
"""Pixels of the upper half."""


def given(upper: np.ndarray, s: float, quick: bool) -> Target:
    """The rest of an image whose first pixels are known, all of them or none; from data."""
    known, marginal = jnp.asarray(upper, jnp.float32), trained(DIGITS, quick).unconditional(s)
    return Target(
        lambda q: marginal({"image": jnp.concatenate([known, q])}),
        lambda key, n: from_data(DIGITS, s, key, n)[:, len(known) :],
        reference=noise_energy,
    )


def likelihoods(upper: np.ndarray, s: float) -> np.ndarray:
    """Of each training image, given this half with noise; they add up to 1.

    With noise of level s the density of the data is the mixture of Gaussians at its images, so that
    these are the shares of its lower halves. A network's density need not be as sure.
    """
    squares = distances(upper[None], DIGITS.data().images[:, : len(upper)])[0] ** 2
    weights = np.exp((squares.min() - squares) / (2 * s**2))
    return weights / weights.sum()


def shares_given(upper: np.ndarray, s: float) -> np.ndarray:
    """What the data say of the class, by no model."""
    return np.bincount(DIGITS.data().labels, likelihoods(upper, s), LABELS)


def drawn(upper: np.ndarray, s: float, count: int) -> np.ndarray:
    """Images [image, pixel] with the half that is given and lower halves as the data have them."""
    images, chances = DIGITS.data().images, likelihoods(upper, s)
    which = np.random.default_rng(0).choice(len(images), count, p=chances)
    return completed(noisy(images[which, len(upper) :], s, 1), upper)


def in_doubt(s: float) -> int:
    """Of the held-out images the one whose upper half leaves two classes nearest to even."""
    uppers = noisy(DIGITS.data().held_out, s, 11)[:, :KNOWN]
    second = [np.sort(shares_given(upper, s))[-2] for upper in uppers]
    return int(np.argmax(second))


def completed(lower: np.ndarray, upper: np.ndarray | None) -> np.ndarray:
    """Images [..., 64] of their halves; without an upper one they are whole as they are."""
    if upper is None:
        return lower
    return np.concatenate([np.broadcast_to(upper, (*lower.shape[:-1], len(upper))), lower], -1)
