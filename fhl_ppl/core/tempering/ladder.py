"""The ladder of inverse temperatures, and how warm-up sets it (section 13).

The mean rejections of neighbours add up to about the *barrier* between reference and target,
wherever the rungs are (Syed, Bouchard-Cote, Deligiannidis and Doucet 2021). Rungs that share it
equally have equal rejections, and the most round trips.
"""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, numbered
from fhl_ppl.core.tempering.swap import Swaps

Array = Any

FIRST_POWER = 3.0
"""beta_k = (1 - k / (K - 1))^3 to begin with: most rungs are near the reference, where a likelihood
begins to count."""
LEAST = 0.01
"""Rejection that a pair counts as at least: rungs must not fall on one another."""


class Ladder(NamedTuple):
    """The rungs, and how swaps between them went since the last reset.

    Attributes
    ----------
    beta
        Inverse temperatures from 1 to 0, falling, shape [temperature].
    rejected
        Sum of the mean rejection probabilities of each pair, shape [pair].
    tried
        Of how many iterations, shape [pair].
    """

    beta: Array
    rejected: Array
    tried: Array


def start(temperatures: int, like: Array) -> Ladder:
    """Begin with `temperatures` rungs, in the type and on the device of `like` [...]."""
    xp = array_namespace(like)
    zero = 0 * xp.reshape(like, (-1,))[:1]
    count = numbered(xp.concat([zero] * temperatures))
    nothing = 0 * count[1:]
    return Ladder((1 - count / (temperatures - 1)) ** FIRST_POWER, nothing, nothing)


def observe(ladder: Ladder, swaps: Swaps) -> Ladder:
    """Count the swaps of an iteration."""
    xp = array_namespace(ladder.beta)
    rejection = 1 - xp.mean(swaps.accept_prob, axis=1)
    return ladder._replace(
        rejected=ladder.rejected + swaps.is_due * rejection, tried=ladder.tried + swaps.is_due
    )


def rejection(ladder: Ladder) -> Array:
    """Mean rejection of each pair, shape [pair]; their sum estimates the barrier."""
    return ladder.rejected / array_namespace(ladder.beta).clip(ladder.tried, 1.0, None)


def reset(ladder: Ladder) -> Ladder:
    """Count anew."""
    return ladder._replace(rejected=0 * ladder.rejected, tried=0 * ladder.tried)


def renew(ladder: Ladder) -> Ladder:
    """Move the rungs to where all pairs would have the same rejection, and count anew.

    Between two rungs rejection is taken to grow linearly with beta; the ends stay.
    """
    xp = array_namespace(ladder.beta)
    share = xp.clip(rejection(ladder), LEAST, None)
    below = xp.cumulative_sum(share) - share
    wanted = numbered(ladder.beta)[1:-1] * (xp.sum(share) / share.shape[0])
    passed = xp.clip((wanted[:, None] - below) / share, 0.0, 1.0)
    inner = 1 - xp.sum(passed * (ladder.beta[:-1] - ladder.beta[1:]), axis=1)
    beta = xp.concat([ladder.beta[:1], inner, ladder.beta[-1:]])
    # A pair that was never tried tells nothing.
    beta = xp.where(xp.all(ladder.tried > 0), beta, ladder.beta)
    return reset(ladder._replace(beta=beta))
