"""From one chart to another: states exactly, moments and Gaussians by the slope at their place."""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, eye
from fhl_ppl.core.charts import chart as charts
from fhl_ppl.core.charts.chart import Chart
from fhl_ppl.core.control import Control
from fhl_ppl.core.stacked import at, each_array, stack
from fhl_ppl.core.state import State

Array = Any


class Slopes(NamedTuple):
    """What a change of chart is near some places.

    Attributes
    ----------
    state
        The places in the new coordinates, with their gradients and energies.
    matrix
        J, derivatives of the new coordinates by the old, shape [place, dim, dim].
    back
        J^-1, same shape.
    """

    state: State
    matrix: Array
    back: Array


def differ(one: Any, other: Any) -> Array:
    """Whether two charts, or nested tuples of a kind, differ anywhere; a boolean scalar."""
    if isinstance(one, tuple):
        first, *rest = (differ(a, b) for a, b in zip(one, other, strict=True))
        for each in rest:
            first = first | each
        return first
    return array_namespace(one).any(one != other)


def moved(old: Chart, new: Chart, state: State) -> State:
    """Take a state of the one chart's coordinates to the other's."""
    return charts.enter(new, charts.leave(old, state))


def all_moved(old: Chart, new: Chart, states: tuple[State, ...]) -> tuple[State, ...]:
    """The same of several states in one go: the maps take long to compile."""
    xp = array_namespace(states[0].position)
    together = each_array(lambda *parts: xp.concat(parts, axis=0), *states)
    there, result, begin = moved(old, new, together), [], 0
    for state in states:
        part = slice(begin, begin + state.position.shape[0])
        result.append(at(there, part))
        begin = part.stop
    return tuple(result)


def slopes(old: Chart, new: Chart, state: State, there: State, control: Control) -> Slopes:
    """How everything changes near places, one a row, that are `there` in the new coordinates.

    A gradient goes over by g' = J^-T g + h, so that what becomes of unit vectors tells J.
    """
    ways = (stack([new, old]), stack([old, new]), stack([there, state]))
    both = control.map(lambda way: _slope(*way), ways)
    return Slopes(there, both[0, ...], both[1, ...])


def _slope(old: Chart, new: Chart, state: State) -> Array:
    """J^-1 at the places of `state`, shape [place, dim, dim]."""
    xp = array_namespace(state.position)
    rows, dim = state.position.shape
    none = 0 * state.position
    probes = xp.reshape(
        xp.concat([none[:, None, :], none[:, None, :] + eye(none)], axis=1), (-1, dim)
    )
    places = xp.reshape(
        state.position[:, None, :] + xp.stack([none] * (dim + 1), axis=1), (-1, dim)
    )
    found = moved(old, new, State(places, 0 * places[:, 0], probes)).gradient
    found = xp.reshape(found, (rows, dim + 1, dim))
    # Row i is what becomes of the i-th unit vector: J^-T e_i.
    return found[:, 1:, :] - found[:, :1, :]
