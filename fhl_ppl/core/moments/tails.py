"""How heavy the tails are: it says how far the fitted Gaussian may be trusted (section 7, drift).

The squared distance from the centre varies by a known amount in a Gaussian. Where it varies more,
some particles are far out, and there a drift that turns about the centre leads astray: seen as
chains that stay stuck in a tail. So omega falls as the variance grows.
"""

from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.metrics import AnyMetric, weigh, whiten
from fhl_ppl.core.metrics import low_rank_fit as low_rank
from fhl_ppl.core.metrics.low_rank_fit import Sample
from fhl_ppl.core.moments.welford import Welford, covariance
from fhl_ppl.core.trajectory.reference import FREQUENCY

Array = Any

GAUSSIAN = 1.3
"""Variance of the squared distance, relative to a Gaussian's, up to which omega is not lowered.
Regressions have 1.05 to 1.1, eight schools 1.3; garch11 2.3, brownian_unknown_scales 3.2, radon_mn
6.9, and these three gain from a lower omega."""


def squared_distance(metric: AnyMetric, centre: Array, position: Array) -> Array:
    """|W (q - c)|^2 for positions [particle, dim], shape [particle, 1]."""
    whitened = whiten(metric, position - centre)
    return array_namespace(position).sum(whitened * whitened, axis=1)[:, None]


def tail_weight(distances: Welford, metric: Any, centre: Array, positions: Any) -> Array:
    """Variance of the squared distance over that in a Gaussian with the moments of `positions`.

    A scalar, 1 for a Gaussian. `distances` holds `squared_distance` with this metric and centre.
    `positions` is a `Welford`, or for a `LowRankMetric` a `Sample`.
    """
    xp = array_namespace(centre)
    spread = covariance(positions)
    shift = (positions.mean - centre)[None, :]
    if isinstance(positions, Sample):
        whitened = covariance(positions.straight) / metric.scale**2
        along = low_rank.variance_along(positions, weigh(metric, shift)[0, :])
    elif spread.ndim == 1:
        whitened = spread * metric.whitener**2
        along = weigh(metric, shift) ** 2 * spread
    else:
        whitened = metric.whitener @ spread @ xp.matrix_transpose(metric.whitener)
        force = weigh(metric, shift)
        along = xp.matrix_transpose(force) * force * spread
    expected = 2 * xp.sum(whitened * whitened) + 4 * xp.sum(along)
    return covariance(distances)[0] / expected


def frequency(weight: Array) -> Array:
    """Omega of a reference, a scalar, for a `tail_weight`."""
    xp = array_namespace(weight)
    return FREQUENCY / xp.sqrt(xp.maximum(weight / GAUSSIAN, xp.ones_like(weight)))
