"""Targets with several valleys, and a funnel, in plain array code."""

import numpy as np
from array_api_compat import array_namespace, device


class Hills:
    """A mixture of Gaussians of sd 1, at centres [mode, dim] with energies [mode] there."""

    def __init__(self, centres, energies):
        self.centres, self.energies = np.asarray(centres, float), np.asarray(energies, float)

    def __call__(self, position):
        """U and its gradient."""
        xp = array_namespace(position)
        like = {"dtype": position.dtype, "device": device(position)}
        apart = position[:, None, :] - xp.asarray(self.centres, **like)
        each = xp.sum(apart**2, axis=2) / 2 + xp.asarray(self.energies, **like)
        lowest = xp.min(each, axis=1, keepdims=True)
        share = xp.exp(lowest - each)
        total = xp.sum(share, axis=1)
        share = share / total[:, None]
        return lowest[:, 0] - xp.log(total), xp.sum(share[:, :, None] * apart, axis=1)


def funnel(position, width=3.0):
    """Neal's: v of sd `width`, the others of sd exp(v / 2)."""
    xp = array_namespace(position)
    v, x = position[:, :1], position[:, 1:]
    square, number = xp.sum(x**2, axis=1, keepdims=True), x.shape[1]
    energy = v**2 / (2 * width**2) + square * xp.exp(-v) / 2 + number * v / 2
    of_v = v / width**2 - square * xp.exp(-v) / 2 + number / 2
    return energy[:, 0], xp.concat([of_v, x * xp.exp(-v)], axis=1)


def spike(width, weight, centre):
    """A narrow Gaussian at a place [dim], within a standard one or beside it, in NumPy."""
    dim = len(centre)

    def evaluate(q):
        narrow = (q - centre) / width
        inside = np.log(weight) - dim * np.log(width) - np.sum(narrow**2, axis=1) / 2
        outside = np.log(1 - weight) - np.sum(q**2, axis=1) / 2
        energy = -np.logaddexp(inside, outside)
        share = np.exp(inside + energy)[:, None]
        force = share * narrow / width + (1 - share) * q
        return energy + dim * np.log(2 * np.pi) / 2, force

    return evaluate
