"""A change of coordinates in which a hierarchy is about Gaussian (section 11).

    x = centre + A w,      w_j = m_j(u) + exp(s_j(u)) y_j  for children,   w_i = y_i  else,

u being the coordinates of w that `drivers` picks, which A leaves alone. A is constant: given the
drivers it takes the children to axes along which they are independent. Exact whatever the weights,
as log|det| = log|det A| + sum_j s_j(u) is known.
"""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, eye
from fhl_ppl.core.charts import conditional
from fhl_ppl.core.charts.conditional import Conditional, Drivers
from fhl_ppl.core.charts.rows import columns

Array = Any

DRIVERS = 2
"""Most drivers of a chart."""


class Hierarchy(NamedTuple):
    """A chart y -> x; see the module.

    Attributes
    ----------
    centre
        Shape [dim].
    mixing, unmixing
        A and its inverse, shape [dim, dim].
    log_volume
        log|det A|, a scalar.
    drivers
        One row for each driver: 1 at its coordinate, 0 elsewhere; all 0 if there is none, shape
        [K, dim].
    is_child
        1 for coordinates that the drivers move, 0 for the others, shape [dim].
    weights
        Of the children's locations and scales.
    """

    centre: Array
    mixing: Array
    unmixing: Array
    log_volume: Array
    drivers: Array
    is_child: Array
    weights: Conditional


def identity(like: Array, number: int = DRIVERS) -> Hierarchy:
    """The chart that changes nothing, for positions shaped as the rows of `like` [row, dim]."""
    xp = array_namespace(like)
    nothing = xp.zeros_like(like[0, :])
    weights = no_weights(nothing, number)
    return Hierarchy(
        nothing,
        eye(like),
        eye(like),
        xp.sum(nothing),
        xp.stack([nothing] * number),
        nothing,
        weights,
    )


def no_weights(nothing: Array, number: int) -> Conditional:
    """Weights of 0 but for precisions that add up to 1."""
    xp = array_namespace(nothing)
    block = xp.stack([xp.stack([nothing] * (1 + number))] * 2)
    level = xp.stack([nothing - 0.6931471805599453] + [nothing] * number)
    bend = xp.stack([nothing] * (number * (number + 1) // 2))
    return Conditional(xp.stack([level, level]), block, block, bend)


def to_position(chart: Hierarchy, coordinates: Array) -> tuple[Array, Array]:
    """x from y, and what adds up to log|det Dx/Dy|, both [particle, dim]."""
    xp = array_namespace(coordinates)
    parts = _parts(chart, coordinates)
    moved = parts.location + parts.scale * coordinates
    mixed = xp.where(chart.is_child > 0, moved, coordinates)
    position = chart.centre + mixed @ xp.matrix_transpose(chart.mixing)
    return position, _log_slopes(chart, parts)


def to_coordinates(chart: Hierarchy, position: Array) -> Array:
    """y [particle, dim] from x [particle, dim]."""
    xp = array_namespace(position)
    mixed = (position - chart.centre) @ xp.matrix_transpose(chart.unmixing)
    # Drivers are the same on either side.
    parts = _parts(chart, mixed)
    return xp.where(chart.is_child > 0, (mixed - parts.location) / parts.scale, mixed)


def pull_back(chart: Hierarchy, coordinates: Array, gradient: Array) -> Array:
    """Gradient by y of U(x(y)) - log|det Dx/Dy|, from that of U by x; all [particle, dim]."""
    xp = array_namespace(coordinates)
    mixed = gradient @ chart.mixing
    scale, by_drivers = _forces_on_drivers(chart, coordinates, mixed)
    return xp.where(chart.is_child > 0, scale * mixed, mixed) + by_drivers


def push_forward(chart: Hierarchy, coordinates: Array, gradient: Array) -> Array:
    """Undo `pull_back`: the gradient of U by x, from that by y."""
    xp = array_namespace(coordinates)
    parts = _parts(chart, coordinates)
    mixed = xp.where(chart.is_child > 0, gradient / parts.scale, gradient)
    _, by_drivers = _forces_on_drivers(chart, coordinates, mixed)
    return (mixed - by_drivers) @ chart.unmixing


def _forces_on_drivers(chart: Hierarchy, coordinates: Array, mixed: Array) -> tuple[Array, Array]:
    """exp(s), and what the forces on children do to their drivers; both [particle, dim]."""
    xp = array_namespace(coordinates)
    drivers = _drivers(chart, coordinates)
    parts = conditional.evaluate(chart.weights, drivers)
    result = xp.zeros_like(mixed)
    for i in range(len(drivers)):
        each = conditional.force_on_driver(chart.weights, parts, drivers, i, coordinates, mixed)
        each = xp.where(chart.is_child > 0, each, xp.zeros_like(each))
        result = result + xp.sum(each, axis=1)[:, None] * chart.drivers[i, :]
    return parts.scale, result


def _drivers(chart: Hierarchy, coordinates: Array) -> Drivers:
    return columns(coordinates @ array_namespace(coordinates).matrix_transpose(chart.drivers))


def _parts(chart: Hierarchy, coordinates: Array) -> conditional.Parts:
    return conditional.evaluate(chart.weights, _drivers(chart, coordinates))


def _log_slopes(chart: Hierarchy, parts: conditional.Parts) -> Array:
    xp = array_namespace(parts.log_scale)
    of_children = xp.where(chart.is_child > 0, parts.log_scale, xp.zeros_like(parts.log_scale))
    return of_children + chart.log_volume / of_children.shape[1]
