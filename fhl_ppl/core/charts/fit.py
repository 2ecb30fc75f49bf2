"""A hierarchy with given drivers, from draws and gradients (section 11)."""

from math import log
from typing import Any

from fhl_ppl.core.arrays import array_namespace, eye
from fhl_ppl.core.charts import hierarchy, least_squares
from fhl_ppl.core.charts.axes import find_axes
from fhl_ppl.core.charts.hierarchy import Hierarchy
from fhl_ppl.core.charts.rows import Rows, columns, mean, regression
from fhl_ppl.core.control import Control
from fhl_ppl.core.stacked import stack

Array = Any


def fit(drivers: Array, rows: Rows, turned: Array, control: Control) -> Hierarchy:
    """Charts whose drivers are the coordinates that `drivers` [K, dim] picks, stacked.

    One is fitted to the rows by each of their weights. Axes, and which start is best, are settled
    by the first, for all. `turned` says whether axes are looked for, 0 or 1.
    """
    position, gradient, weights = rows
    xp = array_namespace(position)
    seen = weights[0, :]
    is_driver = xp.sum(drivers, axis=0) > 0
    centre = mean(position, seen)
    scale = xp.sqrt(mean((position - centre) ** 2, seen))
    scale = xp.where(is_driver, scale, xp.ones_like(scale))
    u = ((position - centre) / scale) @ xp.matrix_transpose(drivers)
    mixing, unmixing, shift, slopes, wide = find_axes(
        u, drivers, position - centre, gradient, seen, turned
    )
    centre = centre + shift
    number = xp.sum(drivers)
    place = xp.cumulative_sum(xp.ones_like(scale)) - 1
    is_child = xp.astype(place >= number, scale.dtype)
    first = eye(position)[: drivers.shape[0], :] * (1 - is_child)
    # Drivers come first, whatever their place among the user's coordinates.
    picks = xp.matrix_transpose(first) @ drivers
    unmixing = unmixing + picks / scale
    mixing = mixing + xp.matrix_transpose(picks * scale)

    w, h = (position - centre) @ xp.matrix_transpose(unmixing), gradient @ mixing
    starts = _starts(u, wide, drivers @ scale, w, seen)
    plain = hierarchy.no_weights(0 * centre, drivers.shape[0])
    # All are drawn to the common width, and to a location that is right where it is narrow: what
    # draws say nothing of must not grow beyond them. Drawn to 0, locations of 50 centred groups
    # were right within the draws and off by 10 widths a unit of log tau further down the neck.
    near = xp.stack([xp.concat([0 * slopes[:1, :], slopes], axis=0)] * 2)
    guess = plain._replace(precision=starts[0, :, :, :], near=near)
    fitted = least_squares.fit_from_starts(
        starts, 1 + 2 * number, lambda start: guess, columns(u), w, h, weights, control
    )
    log_volume = xp.linalg.slogdet(mixing)[1]
    one = Hierarchy(centre, mixing, unmixing, log_volume, first, is_child, plain)
    return stack([one] * weights.shape[0])._replace(weights=fitted)


def _starts(u: Array, wide: Array, spread: Array, like: Array, seen: Array) -> Array:
    """Factors to begin with, shape [start, 2, 1 + K, dim].

    The slopes are those by which the children's common width goes, `wide` [row] in squares; or one
    factor is flat, and the other has the slope that a precision has in a scale, up or down.
    """
    xp = array_namespace(u)
    level = -xp.log(wide)
    middle = mean(level[:, None], seen)[0]
    slopes = regression(u, (level - middle)[:, None], seen)[:, 0]
    ones = xp.ones_like(like[0, :])
    flat = [middle * ones - log(2)] + [0 * ones] * u.shape[1]
    starts = [[middle * ones - log(2)] + [slopes[k] * ones for k in range(u.shape[1])]]
    for k in range(u.shape[1]):
        for sign in (-1.0, 1.0):
            row = list(flat)
            row[1 + k] = sign * least_squares.EXPONENT * spread[k] * ones
            starts.append(row)
    return xp.stack(
        [xp.stack([xp.stack(flat if i else row), xp.stack(row)]) for i, row in enumerate(starts)]
    )
