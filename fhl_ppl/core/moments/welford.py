"""Running mean and covariance, over iterations and particles (Chan, Golub and LeVeque 1983)."""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace

Array = Any


class Welford(NamedTuple):
    """Pooled moments.

    Attributes
    ----------
    count
        Vectors seen, a scalar.
    mean
        Shape [dim].
    scatter
        Sum of squared deviations, shape [dim] (diagonal) or [dim, dim].
    """

    count: Array
    mean: Array
    scatter: Array


def empty(like: Array, dense: bool) -> Welford:
    """Moments of nothing, for vectors shaped as the rows of `like` [particle, dim]."""
    xp = array_namespace(like)
    mean = xp.zeros_like(like[0, :])
    return Welford(xp.sum(mean), mean, mean[:, None] * mean if dense else mean)


def update(moments: Welford, batch: Array) -> Welford:
    """Add all rows of `batch` [particle, dim]."""
    xp = array_namespace(batch)
    size = batch.shape[0]
    count = moments.count + size
    mean = xp.mean(batch, axis=0)
    centred = batch - mean
    shift = mean - moments.mean
    weight = moments.count * size / count
    if moments.scatter.ndim == 2:
        scatter = xp.matrix_transpose(centred) @ centred + weight * shift[:, None] * shift
    else:
        scatter = xp.sum(centred * centred, axis=0) + weight * shift * shift
    return Welford(count, moments.mean + shift * (size / count), moments.scatter + scatter)


def covariance(moments: Welford) -> Array:
    """Unbiased covariance, shape [dim] or [dim, dim]; zero from fewer than two vectors."""
    xp = array_namespace(moments.mean)
    return moments.scatter / xp.maximum(moments.count - 1, xp.ones_like(moments.count))
