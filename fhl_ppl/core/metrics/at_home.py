"""A metric in the units of the mode that a particle is in: modes differ in width (section 10)."""

from typing import Any, NamedTuple

from fhl_ppl.core.metrics.dense import Metric
from fhl_ppl.core.metrics.low_rank import LowRankMetric

Array = Any


class MetricAtHome(NamedTuple):
    """The mass matrix of each particle, M_k = D_k^-1 M D_k^-1: all that trajectories need.

    Attributes
    ----------
    common
        M, of a mode of the usual width.
    scale
        D_k: how many times as wide the particle's mode is along each axis, shape [particle, dim].
    """

    common: Metric | LowRankMetric
    scale: Array

    def draw_momentum(self, noise: Array) -> Array:
        """W' xi, shape [particle, dim]."""
        return self.common.draw_momentum(noise) / self.scale

    def velocity(self, momentum: Array) -> Array:
        """M^-1 p, shape [particle, dim]."""
        return self.scale * self.common.velocity(self.scale * momentum)

    def weigh(self, displacement: Array) -> Array:
        """M q, shape [particle, dim]."""
        return self.common.weigh(displacement / self.scale) / self.scale
