"""The widest direction of the whitened posterior, by a running power iteration (section 7)."""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.metrics import AnyMetric, whiten

Array = Any

LENGTH_FACTOR = 1.4
"""c in T = c sigma_max; pi / 2 takes a Gaussian direction of that scale to an independent point. A
little less, as what is not Gaussian is mostly narrower."""


class PrincipalScale(NamedTuple):
    """Running power iteration for the widest direction.

    Attributes
    ----------
    direction
        Covariance times the last direction, shape [dim]; its norm estimates sigma_max^2.
    mean
        Running mean of the whitened position, shape [dim].
    count
        Iterations since the last restart.
    """

    direction: Array
    mean: Array
    count: Array


def restart(position: Array, metric: AnyMetric) -> PrincipalScale:
    """Begin with unit scale and no preferred direction."""
    xp = array_namespace(position)
    ones = xp.ones_like(position[0, :])
    return PrincipalScale(
        ones / xp.sqrt(xp.sum(ones)), xp.mean(whiten(metric, position), axis=0), xp.sum(ones) * 0
    )


def update(scale: PrincipalScale, position: Array, metric: AnyMetric) -> PrincipalScale:
    """One step of the power iteration with all particles, position [particle, dim]."""
    xp = array_namespace(position)
    count, weight, mean, centred = recentre(scale, position, metric)
    unit = scale.direction / xp.sqrt(xp.sum(scale.direction**2))
    along = xp.sum(centred * unit, axis=1, keepdims=True)
    image = xp.mean(centred * along, axis=0)
    direction = (1 - weight) * scale.direction + weight * image
    # Squares of far-off positions may overflow; one such iteration must not spoil the rest.
    usable = xp.all(xp.isfinite(direction))
    return PrincipalScale(
        xp.where(usable, direction, scale.direction), xp.where(usable, mean, scale.mean), count
    )


def recentre(scale: Any, position: Array, metric: AnyMetric) -> tuple[Array, Array, Array, Array]:
    """Follow the whitened positions' mean in one more iteration.

    Returns
    -------
    The count, how much this iteration weighs, the mean [dim], and the positions less it
    [particle, dim].
    """
    xp = array_namespace(position)
    count = scale.count + 1
    whitened = whiten(metric, position)
    mean = scale.mean + 1 / (count + 1) * (xp.mean(whitened, axis=0) - scale.mean)
    return count, 4 / (count + 8), mean, whitened - mean


def sigma_max(scale: PrincipalScale) -> Array:
    """Standard deviation along the widest direction of the whitened space."""
    xp = array_namespace(scale.direction)
    return xp.sqrt(xp.sqrt(xp.sum(scale.direction**2)))
