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
    position, log_volume = coordinates, 0
    for each, own in _maps(chart):
        position, volume = each.to_position(own, position)
        log_volume = log_volume + volume
    return position, log_volume


def to_coordinates(chart: Chart, position: Array) -> Array:
    """y [particle, dim] from x [particle, dim]."""
    for each, own in _maps(chart)[::-1]:
        position = each.to_coordinates(own, position)
    return position


def pull_back(chart: Chart, coordinates: Array, gradient: Array) -> Array:
    """Gradient by y of U(x(y)) - log|det Dx/Dy|, from that of U by x; all [particle, dim]."""
    for each, own, before in _places(chart, coordinates)[::-1]:
        gradient = each.pull_back(own, before, gradient)
    return gradient


def push_forward(chart: Chart, coordinates: Array, gradient: Array) -> Array:
    """Undo `pull_back`: the gradient of U by x, from that by y."""
    for each, own, before in _places(chart, coordinates):
        gradient = each.push_forward(own, before, gradient)
    return gradient


def _places(chart: Chart, coordinates: Array) -> list[tuple[Any, Any, Array]]:
    """Modules and maps, from y to x, each with where it begins."""
    places = []
    for each, own in _maps(chart):
        places.append((each, own, coordinates))
        if len(places) < len(MAPS):
            coordinates, _ = each.to_position(own, coordinates)
    return places


def enter(chart: Chart, state: State) -> State:
    """A state of the user's coordinates in those of the chart."""
    coordinates = to_coordinates(chart, state.position)
    _, log_volume = to_position(chart, coordinates)
    return State(
        coordinates,
        state.potential_energy - log_volume,
        pull_back(chart, coordinates, state.gradient),
    )


def leave(chart: Chart, state: State) -> State:
    """A state of the chart's coordinates in the user's: no call of the model is needed."""
    position, log_volume = to_position(chart, state.position)
    gradient = push_forward(chart, state.position, state.gradient)
    return State(position, state.potential_energy + log_volume, gradient)
