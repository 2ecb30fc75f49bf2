"""A metric for high dimensions: scales and a few directions, O(dim) in memory and time (section 7).

    M^-1 = S (I + V (Lambda - I) V') S

with S diagonal and V orthonormal. All that an iteration needs are powers of the bracket, and those
differ from the identity in the directions V alone.
"""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace

Array = Any


class LowRankMetric(NamedTuple):
    """The mass matrix as scales and directions; does what `dense.Metric` does.

    W = (I + V (Lambda^(-1/2) - I) V') S^-1 has W' W = M as long as V is orthonormal to rounding:
    if it were not, momentum and kinetic energy would not fit each other.

    Attributes
    ----------
    scale
        The diagonal of S, in the units of the posterior's standard deviations, shape [dim].
    directions
        V, shape [dim, rank], in units of the scales. Columns that are not in use are 0.
    variance
        The diagonal of Lambda, shape [rank]: how much wider or narrower than their scales say the
        directions are. 1 where not in use.
    """

    scale: Array
    directions: Array
    variance: Array

    def whiten(self, displacement: Array) -> Array:
        """W q, shape [particle, dim]."""
        return self._stretch(displacement / self.scale, self.variance**-0.5)

    def draw_momentum(self, noise: Array) -> Array:
        """W' xi, shape [particle, dim]."""
        return self._stretch(noise, self.variance**-0.5) / self.scale

    def velocity(self, momentum: Array) -> Array:
        """M^-1 p, shape [particle, dim]."""
        return self.scale * self._stretch(self.scale * momentum, self.variance)

    def weigh(self, displacement: Array) -> Array:
        """M q, shape [particle, dim]."""
        return self._stretch(displacement / self.scale, 1 / self.variance) / self.scale

    def straighten(self, displacement: Array) -> Array:
        """S W q, shape [particle, dim]: q in its own units, without the correlations along V."""
        return self.scale * self.whiten(displacement)

    def straighten_gradient(self, gradient: Array) -> Array:
        """S^-1 W'^-1 g, shape [particle, dim]: the gradient with respect to the straightened q."""
        return self._stretch(self.scale * gradient, self.variance**0.5) / self.scale

    def _stretch(self, vectors: Array, factor: Array) -> Array:
        """(I + V (factor - I) V') x for the rows x of `vectors`."""
        along = vectors @ self.directions
        back = array_namespace(vectors).matrix_transpose(self.directions)
        return vectors + (along * (factor - 1)) @ back


def make_low_rank(variance: Array, rank: int) -> LowRankMetric:
    """Begin with M^-1 diagonal, `variance` [dim], and `rank` directions to be found."""
    xp = array_namespace(variance)
    unused = xp.stack([0 * variance] * rank, axis=1)
    return LowRankMetric(xp.sqrt(variance), unused, 1 + xp.sum(unused, axis=0))
