"""The upper half of a digit given: which lower halves there are, and of which classes."""

import numpy as np

from benchmarks.energies.data import noisy
from benchmarks.energies.measures import distances
from benchmarks.energies.model import DIGITS, LABELS

KNOWN = 32
"""Pixels of the upper half."""


def shares_given(upper: np.ndarray, s: float) -> np.ndarray:
    """What the data say of the class, by no model: training images by their likelihood.

    With noise of level s the data's density is the mixture of Gaussians at the images; a
    network's density need not be as sure.
    """
    data = DIGITS.data()
    squares = distances(upper[None], data.images[:, :KNOWN])[0] ** 2
    weights = np.exp((squares.min() - squares) / (2 * s**2))
    return np.bincount(data.labels, weights, LABELS) / weights.sum()


def in_doubt(s: float) -> int:
    """Of the held-out images the one whose upper half leaves two classes nearest to even."""
    uppers = noisy(DIGITS.data().held_out, s, 11)[:, :KNOWN]
    second = [np.sort(shares_given(upper, s))[-2] for upper in uppers]
    return int(np.argmax(second))


def completed(lower: np.ndarray, upper: np.ndarray | None) -> np.ndarray:
    """Images [..., 64] of their halves; without an upper one they are whole as they are."""
    if upper is None:
        return lower
    return np.concatenate([np.broadcast_to(upper, (*lower.shape[:-1], KNOWN)), lower], -1)
