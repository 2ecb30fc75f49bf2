"""How many independent draws the positions of a window are worth (section 7, metric).

A covariance of dim dimensions takes many more draws than dim, and draws that follow from one
another count for less. Two halves of the particles know nothing of each other: their means differ
by as much as independent draws would make them.
"""

from typing import Any

from fhl_ppl.core.adaptation.welford import Welford, covariance
from fhl_ppl.core.arrays import array_namespace

Array = Any


def difference(position: Array) -> Array:
    """Mean of one half of the particles minus that of the other, shape [dim]."""
    xp = array_namespace(position)
    half = position.shape[0] // 2
    return xp.mean(position[:half], axis=0) - xp.mean(position[half:], axis=0)


def independent_draws(differences: Array, positions: Welford, particles: int) -> Array:
    xp = array_namespace(differences)
    spread = covariance(positions)
    variance = spread if spread.ndim == 1 else xp.linalg.diagonal(spread)
    apart = differences * (particles / positions.count)
    share = xp.mean(apart**2 / xp.where(variance > 0, variance, xp.ones_like(variance))) / 4
    return 1 / xp.maximum(share, 1 / positions.count)
