"""The evidence of a tempered run: stepping stones from the reference to the target (section 13).

From temperature to temperature log Z changes by little, which the energies of the replicas at both
tell. Each stone is a bridge between two neighbours (Bennett 1976; Meng and Wong 1996): its terms
are between 0 and 1, where an importance weight from either side alone could be anything.
"""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.evidence import HALVINGS, logistic

Array = Any

IMPOSSIBLE = 1e6
"""By how much less likely than any at the colder one a place that it does not reach is taken to be:
finite, for differences with it."""


class Stones(NamedTuple):
    """What is known of the evidence.

    Attributes
    ----------
    log_ratio
        log Z_k - log Z_{k + 1} of each pair of neighbours, shape [pair]. Their sum is log Z of the
        target, less that of the reference.
    influence
        By how much the replicas of each draw move that sum away from where it is, times their
        number: of mean 0, and with the correlations of the run, in time and between temperatures.
        The error of the sum is that of its mean. Shape [draw].
    overlap
        What neighbours have in common, the mean of 2 p / (p + q) under q, between 0 and 1, [pair].
    """

    log_ratio: Array
    influence: Array
    overlap: Array


def stepping_stones(beta: Array, tension: Array) -> Stones:
    """Bridge all pairs of neighbours.

    Parameters
    ----------
    beta
        Inverse temperatures, falling, shape [temperature].
    tension
        V of the replicas at every draw, shape [temperature, draw].

    Examples
    --------
    Two Gaussians, of which the colder is half as wide:

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(2, 4000))
    >>> found = stepping_stones(np.array([1.0, 0.0]), 1.5 * (z * [[0.5], [1.0]]) ** 2)
    >>> round(float(found.log_ratio[0]), 1), round(float(np.log(0.5)), 1)
    (-0.7, -0.7)
    """
    xp = array_namespace(tension)
    apart = (beta[:-1] - beta[1:])[:, None]
    # log(p_k / p_{k + 1}) but for the ratio of their constants, at the draws of either.
    of_cold = -apart * tension[:-1, :]
    least = xp.min(of_cold, axis=1)
    of_hot = -apart * tension[1:, :]
    impossible = least[:, None] - IMPOSSIBLE
    of_hot = xp.where(of_hot > impossible, of_hot, impossible)

    def both(log_ratio: Array) -> tuple[Array, Array]:
        at = log_ratio[:, None]
        return logistic(of_hot - at), logistic(at - of_cold)

    most = xp.max(of_hot, axis=1)
    low = xp.minimum(least, most) - 50.0
    high = xp.maximum(xp.max(of_cold, axis=1), most) + 50.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        hot, cold = both(middle)
        too_high = xp.mean(cold, axis=1) > xp.mean(hot, axis=1)
        low, high = xp.where(too_high, low, middle), xp.where(too_high, middle, high)
    log_ratio = (low + high) / 2
    hot, cold = both(log_ratio)
    common = xp.mean(hot, axis=1)
    some = xp.where(common > 0, common, 1.0)[:, None]
    return Stones(log_ratio, xp.sum((hot - cold) / some, axis=0), 2 * common)
