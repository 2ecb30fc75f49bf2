"""A chart y -> x: single coordinates first, then a hierarchy, then local scales (section 11)."""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.charts import hierarchy, local, skew, tails
from fhl_ppl.core.charts.hierarchy import Hierarchy
from fhl_ppl.core.charts.local import Local
from fhl_ppl.core.charts.skew import Skew
from fhl_ppl.core.charts.tails import Tails
from fhl_ppl.core.state import State

Array = Any


class Chart(NamedTuple):
    """x = local(hierarchy(tails(skew(y)))), the sampler moves y."""

    local: Local
    hierarchy: Hierarchy
    tails: Tails
    skew: Skew


MAPS = skew, tails, hierarchy, local
"""Modules of the maps, in the order from y to x."""


def _maps(chart: Chart) -> list[tuple[Any, Any]]:
    """Modules and maps, from y to x."""
    return list(zip(MAPS, chart[::-1], strict=True))


def identity(like: Array) -> Chart:
    """The chart that changes nothing, for positions shaped as the rows of `like` [row, dim]."""
    return Chart(*(each.identity(like) for each in MAPS[::-1]))


def is_moving(chart: Chart) -> Array:
    """Whether it is not the identity, a boolean scalar."""
    xp = array_namespace(chart.tails.width)
    moved = (
        chart.local.is_child,
        chart.hierarchy.is_child,
        chart.tails.is_heavy,
        chart.skew.is_bent,
    )
    return xp.any(sum(moved) > 0)


def to_position(chart: Chart, coordinates: Array) -> tuple[Array, Array]:
    """x [particle, dim] and log|det Dx/Dy| [particle] from y [particle, dim]."""
    places, log_volume = way(chart, coordinates)
    return places[-1], log_volume


def way(chart: Chart, coordinates: Array) -> tuple[tuple[Array, ...], Array]:
    """From y to x: where each of the maps begins and the last one ends, and log|det Dx/Dy|."""
    places, log_slopes = [coordinates], 0 * coordinates
    for each, own in _maps(chart):
        position, more = each.to_position(own, places[-1])
        places.append(position)
        log_slopes = log_slopes + more
    return tuple(places), array_namespace(coordinates).sum(log_slopes, axis=1)


def no_way(coordinates: Array) -> tuple[tuple[Array, ...], Array]:
    """That of the identity."""
    return (coordinates,) * (1 + len(MAPS)), 0 * coordinates[:, 0]


def to_coordinates(chart: Chart, position: Array) -> Array:
    """y [particle, dim] from x [particle, dim]."""
    for each, own in _maps(chart)[::-1]:
        position = each.to_coordinates(own, position)
    return position


def pull_back(chart: Chart, coordinates: Array, gradient: Array) -> Array:
    """Gradient by y of U(x(y)) - log|det Dx/Dy|, from that of U by x; all [particle, dim]."""
    return pull_along(chart, _beginnings(chart, coordinates), gradient)


def pull_along(chart: Chart, places: tuple[Array, ...], gradient: Array) -> Array:
    """The same where the `way` is known."""
    for (each, own), before in list(zip(_maps(chart), places, strict=False))[::-1]:
        gradient = each.pull_back(own, before, gradient)
    return gradient


def push_forward(chart: Chart, coordinates: Array, gradient: Array) -> Array:
    """Undo `pull_back`: the gradient of U by x, from that by y."""
    for (each, own), before in zip(_maps(chart), _beginnings(chart, coordinates), strict=True):
        gradient = each.push_forward(own, before, gradient)
    return gradient


def _beginnings(chart: Chart, coordinates: Array) -> tuple[Array, ...]:
    """Where each of the maps begins, from y to x."""
    places = [coordinates]
    for each, own in _maps(chart)[:-1]:
        places.append(each.to_position(own, places[-1])[0])
    return tuple(places)


def enter(chart: Chart, state: State) -> State:
    """A state of the user's coordinates in those of the chart."""
    coordinates = to_coordinates(chart, state.position)
    places, log_volume = way(chart, coordinates)
    return State(
        coordinates,
        state.potential_energy - log_volume,
        pull_along(chart, places, state.gradient),
    )


def leave(chart: Chart, state: State) -> State:
    """A state of the chart's coordinates in the user's: no call of the model is needed."""
    position, log_volume = to_position(chart, state.position)
    gradient = push_forward(chart, state.position, state.gradient)
    return State(position, state.potential_energy + log_volume, gradient)


def links(chart: Chart) -> Array:
    """Row j has 1 at the coordinates of x that x_j's place or width goes with, [dim, dim]."""
    xp = array_namespace(chart.tails.width)
    own, shared = chart.local, chart.hierarchy
    # Drivers of a hierarchy are coordinates as they are, whatever their new place.
    drives = xp.sum(abs(shared.drivers @ shared.unmixing), axis=0) > 0
    children = ~drives & xp.any(shared.is_child > 0)
    alone = (own.own > 0) | ((own.is_child > 0)[:, None] & (own.common > 0))
    return xp.astype((children[:, None] & drives) | alone, own.own.dtype)
