"""A chart y -> x: a hierarchy, and before it a map for heavy tails (section 11)."""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.charts import hierarchy, tails
from fhl_ppl.core.charts.hierarchy import Hierarchy
from fhl_ppl.core.charts.tails import Tails
from fhl_ppl.core.state import State

Array = Any


class Chart(NamedTuple):
    """x = hierarchy(tails(y)), the sampler moves y."""

    hierarchy: Hierarchy
    tails: Tails


def identity(like: Array) -> Chart:
    """The chart that changes nothing, for positions shaped as the rows of `like` [row, dim]."""
    return Chart(hierarchy.identity(like), tails.identity(like))


def is_moving(chart: Chart) -> Array:
    """Whether it is not the identity, a boolean scalar."""
    xp = array_namespace(chart.tails.width)
    return xp.any(chart.hierarchy.is_child > 0) | xp.any(chart.tails.is_heavy > 0)


def to_position(chart: Chart, coordinates: Array) -> tuple[Array, Array]:
    """x [particle, dim] and log|det Dx/Dy| [particle] from y [particle, dim]."""
    between, first = tails.to_position(chart.tails, coordinates)
    position, second = hierarchy.to_position(chart.hierarchy, between)
    return position, first + second


def to_coordinates(chart: Chart, position: Array) -> Array:
    """y [particle, dim] from x [particle, dim]."""
    between = hierarchy.to_coordinates(chart.hierarchy, position)
    return tails.to_coordinates(chart.tails, between)


def pull_back(chart: Chart, coordinates: Array, gradient: Array) -> Array:
    """Gradient by y of U(x(y)) - log|det Dx/Dy|, from that of U by x; all [particle, dim]."""
    between, _ = tails.to_position(chart.tails, coordinates)
    gradient = hierarchy.pull_back(chart.hierarchy, between, gradient)
    return tails.pull_back(chart.tails, coordinates, gradient)


def push_forward(chart: Chart, coordinates: Array, gradient: Array) -> Array:
    """Undo `pull_back`: the gradient of U by x, from that by y."""
    between, _ = tails.to_position(chart.tails, coordinates)
    gradient = tails.push_forward(chart.tails, coordinates, gradient)
    return hierarchy.push_forward(chart.hierarchy, between, gradient)


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
