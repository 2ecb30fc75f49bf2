"""Axes along which children are about independent given their drivers.

Given the drivers the precision of a hierarchy's children is about a sum of two matrices, that of
the prior and that of the data, each scaled by the drivers. Axes in which both are diagonal are
found in two steps: the children are whitened, and then turned onto the eigenvectors of how their
precision changes with the first driver.
"""

from typing import Any

from fhl_ppl.core.arrays import array_namespace, eye
from fhl_ppl.core.charts.rows import mean, moments, regression
from fhl_ppl.core.metrics import dense_fit
from fhl_ppl.core.metrics.dense import eigen

Array = Any


def find_axes(
    u: Array,
    drivers: Array,
    position: Array,
    gradient: Array,
    seen: Array,
    turned: Array,
) -> tuple[Array, Array, Array, Array, Array]:
    """Axes of the children, along which they are about independent given the drivers.

    Returns
    -------
    Mixing and unmixing [dim, dim], with nothing but zeros in the first columns and rows, one for
    each driver; a shift of the centre [dim], how the children go with the drivers where they are
    narrow [K, dim], and how wide they are at each draw, in squares [row].
    """
    xp = array_namespace(position)
    is_driver = xp.sum(drivers, axis=0) > 0
    is_child = ~is_driver
    zero = 0 * position[0, :]
    ones = xp.ones_like(zero)
    given = xp.concat([xp.ones_like(u[:, :1]), u], axis=1)
    # Where all children are narrow gradients are huge: a common scale for each draw.
    shift, slopes, wide = zero, zero, xp.ones_like(seen)
    for _ in range(3):
        weights = regression(given, position, seen / wide)
        shift = xp.where(is_child, weights[0, :], zero)
        slopes = xp.where(is_child, weights[1:, :], zero)
        along = xp.where(is_child, position - given @ weights, zero)
        force = gradient - given @ regression(given, gradient, seen * wide)
        force = xp.where(is_child, force, zero)
        size = mean(along**2 / wide[:, None], seen) / xp.where(
            is_child, mean(force**2 * wide[:, None], seen), ones
        )
        size = xp.where(is_child, size**0.25, ones)
        wide = xp.sqrt(xp.sum((along / size) ** 2, axis=1) / xp.sum((force * size) ** 2, axis=1))
    root = xp.sqrt(wide)[:, None]
    along, force = along / root, force * root
    blocks = (is_child[:, None] & is_child & (turned > 0)) | (eye(position) > 0)
    # Drivers stand by with unit variance, to be dropped below.
    stand_in = u @ drivers
    white = dense_fit.from_scores(
        moments(xp.where(is_child, along, stand_in), seen),
        moments(xp.where(is_child, force, stand_in), seen),
        structure=blocks,
    )
    unmixing = white.whitener
    mixing = white.inverse_mass_matrix @ xp.matrix_transpose(unmixing)
    w, h = along @ xp.matrix_transpose(unmixing), force @ mixing
    # Where they are not turned the children stay as the user has them, in their order.
    change = xp.where(turned > 0, _change(u, w, h, seen), xp.cumulative_sum(ones) * eye(w))
    change = xp.where(is_child[:, None] & is_child, change, 0 * change)
    # Eigenvalues below all others put the drivers first, to be left out.
    below = 2 * xp.sum(abs(change)) + 1
    _, vectors = eigen(change - below * xp.where(is_driver, ones, zero) * eye(w))
    first = xp.cumulative_sum(ones) <= xp.sum(drivers)
    vectors = xp.where(is_child[:, None] & ~first, vectors, zero[:, None])
    mixing, unmixing = mixing @ vectors, xp.matrix_transpose(vectors) @ unmixing
    return mixing, unmixing, shift, slopes @ xp.matrix_transpose(unmixing), wide


def _change(u: Array, w: Array, h: Array, seen: Array) -> Array:
    """How the precision changes with the first driver, [dim, dim].

    B of h - w = u B w, by least squares with a ridge.
    """
    xp = array_namespace(w)
    times = u[:, :1] * w * seen[:, None]
    normal = xp.matrix_transpose(times) @ times + w.shape[1] * eye(w)
    change = xp.linalg.solve(normal, xp.matrix_transpose(times) @ (h - w))
    return (change + xp.matrix_transpose(change)) / 2
