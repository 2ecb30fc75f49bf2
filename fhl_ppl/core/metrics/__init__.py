"""The mass matrix M: momentum p ~ N(0, M), velocity M^-1 p, and the whitened space it defines.

A metric is a named tuple of arrays with the four methods of `AnyMetric`; `dense` also holds the
diagonal one, and `at_home` makes of either what each particle goes by where modes are known. How
warm-up finds them is in `dense_fit` and `low_rank_fit`.
"""

from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.metrics.at_home import MetricAtHome
from fhl_ppl.core.metrics.dense import Metric
from fhl_ppl.core.metrics.low_rank import LowRankMetric

Array = Any

AnyMetric = Metric | LowRankMetric
OfParticles = AnyMetric | MetricAtHome
"""What trajectories go by."""

__all__ = [
    "AnyMetric",
    "LowRankMetric",
    "Metric",
    "MetricAtHome",
    "OfParticles",
    "draw_momentum",
    "kinetic_energy",
    "reported",
    "velocity",
    "weigh",
    "whiten",
]


def reported(metric: AnyMetric) -> Array | LowRankMetric:
    """M^-1 as users are told: [dim] or [dim, dim], or if of low rank its parts, which are smaller.

    Of those, `velocity` with the identity matrix makes the whole.
    """
    return metric if isinstance(metric, LowRankMetric) else metric.inverse_mass_matrix


def whiten(metric: AnyMetric, displacement: Array) -> Array:
    """x = W q, shape [particle, dim]."""
    return metric.whiten(displacement)


def draw_momentum(metric: OfParticles, noise: Array) -> Array:
    """p = W' xi ~ N(0, M) from standard normal `noise` [particle, dim]."""
    return metric.draw_momentum(noise)


def velocity(metric: OfParticles, momentum: Array) -> Array:
    """M^-1 p, shape [particle, dim]."""
    return metric.velocity(momentum)


def weigh(metric: OfParticles, displacement: Array) -> Array:
    """M q, shape [particle, dim]: makes a pull isotropic in the whitened space."""
    return metric.weigh(displacement)


def kinetic_energy(metric: OfParticles, momentum: Array) -> Array:
    """K(p) = p' M^-1 p / 2, shape [particle]."""
    return array_namespace(momentum).vecdot(momentum, velocity(metric, momentum)) / 2
