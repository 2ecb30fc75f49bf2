"""How many independent draws the positions of a window are worth (section 7, metric).

A covariance in dim dimensions needs many more draws than dim, and draws that follow from one
another count for less. Two halves of the particles know next to nothing of each other: so their
means differ by as much as those of independent draws would.
"""

from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.moments.welford import Welford, covariance

Array = Any


def difference(position: Array) -> Array:
    """Mean of one half of the particles minus that of the other, shape [dim].

    Its sum over the iterations of a window is what `independent_draws` asks for. 0 of one particle.

    >>> import numpy as np
    >>> difference(np.array([[1.0], [2.0], [5.0], [8.0]]))
    array([-5.])
    """
    xp = array_namespace(position)
    half = position.shape[0] // 2
    if half == 0:
        return xp.zeros_like(position[0, :])
    return xp.mean(position[:half], axis=0) - xp.mean(position[half:], axis=0)


def independent_draws(differences: Array, positions: Welford, particles: int) -> Array:
    """n, a scalar between 1 and the number of positions.

    The means of two halves of n independent draws differ by a mean square of 4 / n variances; here
    the mean is over the dimensions.

    Parameters
    ----------
    differences
        Sum of `difference` over the iterations that `positions` are of, shape [dim].
    positions
        Pooled moments.
    particles
        How many particles there are.
    """
    xp = array_namespace(differences)
    spread = covariance(positions)
    variance = spread if spread.ndim == 1 else xp.linalg.diagonal(spread)
    variance = xp.where(variance > 0, variance, xp.ones_like(variance))
    iterations = positions.count / particles
    share = xp.mean((differences / iterations) ** 2 / variance) / 4
    return 1 / xp.clip(share, 1 / positions.count, 1.0)
