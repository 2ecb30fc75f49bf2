"""The widest direction among many, in two halves that check each other (section 7, trajectory).

The widest direction of a sample is wide by chance, the more so in many dimensions and as draws are
close to those before them: in 600 dimensions of variance 1 it came out as 14, and trajectories four
times too long. So each half of the particles has a direction that is learnt, and measured, with
what the other has found. In fewer `principal_scale` serves, which comes out too long as well (1.4
times in ten): hierarchical posteriors lose without that, and Gaussians gain little.
"""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.metrics import AnyMetric, whiten
from fhl_ppl.core.moments.principal_scale import recentre

Array = Any

LENGTH_FACTOR = 1.7
"""As that of `principal_scale`, without what chance adds there."""


class CheckedScale(NamedTuple):
    """Running power iteration for the widest direction.

    Attributes
    ----------
    direction
        Covariance of either half times the last direction of the other, shape [half, dim].
    variance
        Of the whitened position of the particles along the direction of the other half, a scalar.
    mean
        Running mean of the whitened position, shape [dim].
    count
        Iterations since the last restart.
    """

    direction: Array
    variance: Array
    mean: Array
    count: Array


def restart(position: Array, metric: AnyMetric) -> CheckedScale:
    """Begin with unit scale and no preferred direction."""
    xp = array_namespace(position)
    ones = xp.ones_like(position[0, :])
    ones = ones / xp.sqrt(xp.sum(ones))
    nothing = xp.sum(ones) * 0
    mean = xp.mean(whiten(metric, position), axis=0)
    return CheckedScale(xp.stack([ones, ones]), nothing + 1, mean, nothing)


def update(scale: CheckedScale, position: Array, metric: AnyMetric) -> CheckedScale:
    """One step of the power iteration with all particles, position [particle, dim]."""
    xp = array_namespace(position)
    count, weight, mean, centred = recentre(scale, position, metric)
    unit = scale.direction / xp.sqrt(xp.sum(scale.direction**2, axis=1))[:, None]
    # A single particle is both halves.
    middle = (position.shape[0] + 1) // 2
    halves = centred[:middle, :], centred[min(middle, position.shape[0] - 1) :, :]
    along = halves[0] @ unit[1, :], halves[1] @ unit[0, :]
    image = xp.stack([xp.mean(h * a[:, None], axis=0) for h, a in zip(halves, along, strict=True)])
    direction = (1 - weight) * scale.direction + weight * image
    square = (xp.mean(along[0] ** 2) + xp.mean(along[1] ** 2)) / 2
    variance = (1 - weight) * scale.variance + weight * square
    # Squares of far-off positions may overflow; one such iteration must not spoil the rest.
    usable = xp.all(xp.isfinite(direction))
    return CheckedScale(
        xp.where(usable, direction, scale.direction),
        xp.where(usable, variance, scale.variance),
        xp.where(usable, mean, scale.mean),
        count,
    )


def sigma_max(scale: CheckedScale) -> Array:
    """Standard deviation along the widest direction of the whitened space."""
    return array_namespace(scale.variance).sqrt(scale.variance)


def widest(scale: CheckedScale) -> Array:
    """Where the whitened positions vary most, shape [dim], of any length."""
    return scale.direction[0, :] + scale.direction[1, :]
