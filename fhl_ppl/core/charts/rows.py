"""Draws, one a row, and means, moments and regressions over weighted rows."""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, eye
from fhl_ppl.core.moments.welford import Welford

Array = Any


class Rows(NamedTuple):
    """Draws that charts are fitted to and judged by.

    Attributes
    ----------
    position, gradient
        Places and the gradients of U there, shape [row, dim].
    weights
        Of each row: in fits to all rows, to one half of the particles, and to the other, [3, row].
    """

    position: Array
    gradient: Array
    weights: Array


HALVES = slice(1, 3)
"""Which of `Rows.weights`, and of what is fitted by them, belong to halves."""


def exchanged(weights: Array) -> Array:
    """What judges the fits to the halves, of `Rows.weights`: the other half of each, [2, row]."""
    return array_namespace(weights).stack([weights[2, :], weights[1, :]])


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


def regression(u: Array, values: Array, seen: Array) -> Array:
    """Coefficients [K, column] of `values` [row, column] on `u` [row, K]."""
    xp = array_namespace(values)
    weighted = xp.matrix_transpose(u * seen[:, None])
    normal = weighted @ u
    return xp.linalg.solve(normal + 1e-6 * eye(normal), weighted @ values)


def columns(values: Array) -> tuple[Array, ...]:
    """Columns [row, 1] of `values` [row, column]."""
    return tuple(values[:, i : i + 1] for i in range(values.shape[1]))


def gaussian(position: Array, gradient: Array, seen: Array) -> tuple[Array, Array]:
    """Mean and sd of each coordinate by the Gaussian whose gradients are nearest, [dim] each."""
    xp = array_namespace(position)
    middle, slope = mean(position, seen), mean(gradient, seen)
    spread = mean((position - middle) ** 2, seen)
    force = mean((gradient - slope) ** 2, seen)
    sound = (spread > 0) & (force > 0)
    one = xp.ones_like(spread)
    unit = xp.where(sound, xp.where(sound, spread, one) / xp.where(sound, force, one), one) ** 0.25
    return middle - unit**2 * slope, unit


def transposed(values: Array) -> Array:
    """Rows as columns, in memory too."""
    xp = array_namespace(values)
    return xp.reshape(xp.reshape(xp.matrix_transpose(values), (-1,)), values.shape[::-1])
