"""Means, moments and regressions over weighted rows."""

from typing import Any

from array_api_compat import device

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.moments.welford import Welford

Array = Any


def mean(values: Array, seen: Array) -> Array:
    """Mean of `values` [row, column], weighted by `seen` [row]."""
    xp = array_namespace(values)
    return xp.sum(values * seen[:, None], axis=0) / xp.sum(seen)


def moments(values: Array, seen: Array, dense: bool = True) -> Welford:
    """Moments of `values` [row, dim] that count for `seen` [row]; `dense` has all covariances."""
    xp = array_namespace(values)
    centre = mean(values, seen)
    centred = xp.sqrt(seen)[:, None] * (values - centre)
    if dense:
        scatter = xp.matrix_transpose(centred) @ centred
    else:
        scatter = xp.sum(centred**2, axis=0)
    return Welford(xp.sum(seen), centre, scatter)


def eye(like: Array) -> Array:
    """The identity matrix for the columns of `like` [row, column]."""
    xp = array_namespace(like)
    return xp.eye(like.shape[1], dtype=like.dtype, device=device(like))


def regression(u: Array, values: Array, seen: Array) -> Array:
    """Coefficients [K, column] of `values` [row, column] on `u` [row, K]."""
    xp = array_namespace(values)
    weighted = xp.matrix_transpose(u * seen[:, None])
    normal = weighted @ u
    return xp.linalg.solve(normal + 1e-6 * eye(normal), weighted @ values)
