"""Coordinates in which the posterior is nearer to a Gaussian (section 11)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.charts import chart as charts
from fhl_ppl.core.charts import choice
from fhl_ppl.core.charts.change import differ, moved
from fhl_ppl.core.charts.chart import Chart
from fhl_ppl.core.charts.rows import Rows
from fhl_ppl.core.charts.rows import moments as moments_of
from fhl_ppl.core.control import Control
from fhl_ppl.core.homes import as_one_mode, home_of
from fhl_ppl.core.learners import windows
from fhl_ppl.core.learners.archive import Archive, NoArchive
from fhl_ppl.core.learners.carried import carried
from fhl_ppl.core.learners.grouping import has_valleys
from fhl_ppl.core.learners.learner import Given, Learnt, Seen, Steady, Window
from fhl_ppl.core.learners.strays import without_strays
from fhl_ppl.core.mixture import in_use
from fhl_ppl.core.moments import tails
from fhl_ppl.core.plan import Plan
from fhl_ppl.core.state import State

Array = Any

ROWS = 300
"""Draws of a window that are kept to fit a chart to."""


class LearntChart(NamedTuple):
    """A chart, and what the next is to be fitted to.

    Attributes
    ----------
    chart
        y -> x.
    positions, gradients
        Draws of this window in the coordinates of the chart, shape [slot, particle, dim].
    filled
        1 for slots that hold a draw of this window, shape [slot].
    losses
        Of the identity and of the charts that were tried at the last renewal, shape [candidate].
    """

    chart: Chart
    positions: Array
    gradients: Array
    filled: Array
    losses: Array


@dataclass(frozen=True)
class ChartLearner(Steady):
    """Fits a chart at the end of each window; `recharted` takes all others along.

    Attributes
    ----------
    window_ends
        Over what the draws are spread.
    """

    window_ends: tuple[int, ...]

    @classmethod
    def of(cls, plan: Plan) -> "ChartLearner":
        """Take from the plan when windows end."""
        return cls(plan.window_ends)

    def start(self, state: State, given: Given) -> LearntChart:
        """Begin in the user's coordinates."""
        xp = array_namespace(state.position)
        slots = max(1, ROWS // state.position.shape[0])
        rows = xp.stack([state.position[:ROWS, :]] * slots)
        chart = charts.identity(state.position)
        losses = xp.stack([0 * state.potential_energy[0]] * choice.CANDIDATES)
        return LearntChart(chart, rows, 0 * rows, 0 * rows[:, 0, 0], losses)

    def observe(self, own: LearntChart, seen: Seen, learnt: Learnt) -> LearntChart:
        """Keep a draw where one is due."""
        xp = array_namespace(own.filled)
        due, slot = windows.slot_due(seen.iteration, self.window_ends, own.filled.shape[0])
        here = (xp.cumulative_sum(xp.ones_like(own.filled)) - 1 == slot) & (due > 0)
        most = own.positions.shape[1]
        state = seen.gathered

        def put(rows: Array, batch: Array) -> Array:
            # Strays are left out with what has no numbers: copies of the best would say that draws
            # have no spread.
            batch = xp.where(seen.is_stray[:, None], xp.inf, batch)
            return xp.where(here[:, None, None], batch[:most, :], rows)

        return own._replace(
            positions=put(own.positions, state.position),
            gradients=put(own.gradients, state.gradient),
            filled=xp.where(here, xp.ones_like(own.filled), own.filled),
        )

    def renew(
        self, own: LearntChart, window: Window, before: Learnt, renewed: Learnt
    ) -> LearntChart:
        """Go on: `recharted` has renewed it, before all others."""
        return own

    def fitted(
        self, own: LearntChart, archive: Archive | NoArchive, control: Control
    ) -> tuple[LearntChart, State, Array]:
        """The next chart with the kept draws in its coordinates, and the weights of those.

        `archive` has the modes that are known, in the coordinates of the chart so far.

        Returns
        -------
        What is known, with no slot filled; the draws, one a row; and 1 for rows that hold one.
        """
        xp = array_namespace(own.filled)
        dim = own.positions.shape[2]
        filled = own.filled[:, None] + 0 * own.positions[:, :, 0]
        # A place far out may have no numbers, and is left out.
        sound = xp.isfinite(own.positions) & xp.isfinite(own.gradients)
        sound = xp.all(sound, axis=2, keepdims=True)
        seen = xp.reshape(xp.where(sound[:, :, 0], filled, xp.zeros_like(filled)), (-1,))
        # Halves of the particles check each other.
        place = xp.cumulative_sum(xp.ones_like(filled), axis=1)
        half = xp.reshape(xp.astype(place <= filled.shape[1] // 2, filled.dtype), (-1,))
        weights = xp.stack([seen, seen * half, seen * (1 - half)])
        positions, gradients = (
            xp.reshape(xp.where(sound, part, xp.zeros_like(part)), (-1, dim))
            for part in (own.positions, own.gradients)
        )
        kept = State(positions, seen, gradients)
        within, several = kept, seen[0] < 0
        if isinstance(archive, Archive):
            homes, several = archive.homes, has_valleys(archive.components)
            used = xp.astype(in_use(homes.mixture.log_weight), seen.dtype)
            several = several | (xp.sum(used) > 1)
            within = as_one_mode(homes, home_of(homes, positions, control), kept, control)
        rows = charts.leave(own.chart, kept)

        def renewed(_: Chart) -> tuple[Chart, Array]:
            all_rows, of_modes = (Rows(s.position, s.gradient, weights) for s in (rows, within))
            return choice.renew(own.chart, all_rows, of_modes, several, control)

        enough = xp.sum(seen) > 2 * dim
        chart, losses = control.cond(enough, renewed, lambda same: (same, own.losses), own.chart)
        rows = charts.enter(chart, rows)
        shape = own.positions.shape
        return (
            LearntChart(
                chart,
                xp.reshape(rows.position, shape),
                xp.reshape(rows.gradient, shape),
                0 * own.filled,
                losses,
            ),
            rows,
            seen,
        )


class _Known(NamedTuple):
    """What a new chart is fitted to, and what has to be put into its coordinates."""

    chart: LearntChart
    moments: Any
    reference: Any
    archive: Any
    state: State


def recharted(learner: ChartLearner, learnt: Learnt, window: Window) -> tuple[Learnt, Window]:
    """End a window in the coordinates of a new chart, for all others to be renewed in.

    What they go by is put into those: the state, the moments, how far the particles were seen from
    the centre of the reference, and the archive.
    """
    ours = "chart", "moments", "reference", "archive"
    known = _Known(**{name: learnt[name] for name in ours}, state=window.state)
    new = _in_new_coordinates(learner, learnt["metric"], known, window.control)
    window = window._replace(state=new.state, gathered=without_strays(new.state))
    return learnt | {name: getattr(new, name) for name in ours}, window


def _in_new_coordinates(
    learner: ChartLearner, metric: Any, known: _Known, control: Control
) -> _Known:
    moments, reference, archive = known.moments, known.reference, known.archive
    own, rows, weights = learner.fitted(known.chart, archive, control)
    change = known.chart.chart, own.chart

    def put(value: _Known) -> _Known:
        dense = moments.positions.scatter.ndim == 2
        apart = tails.squared_distance(metric, reference.reference.centre, rows.position)
        return value._replace(
            moments=moments._replace(
                positions=moments_of(rows.position, weights, dense),
                gradients=moments_of(rows.gradient, weights, dense),
            ),
            reference=reference._replace(distances=moments_of(apart, weights, dense=False)),
            archive=(
                carried(archive, *change, control) if isinstance(archive, Archive) else archive
            ),
            # From where strays are no line leads back in coordinates that bend: they are put where
            # the best is.
            state=_with_numbers(moved(*change, without_strays(value.state))),
        )

    # Where nothing changes all draws count, not only those that were kept.
    known = known._replace(chart=own)
    return control.cond(differ(*change), put, lambda value: value, known)


def _with_numbers(state: State) -> State:
    """Put particles that have no numbers where the best that has is.

    New coordinates may have none for a place far out; what is no number could never be left.
    """
    xp = array_namespace(state.position)
    sound = xp.isfinite(state.potential_energy)
    for part in (state.position, state.gradient):
        sound = sound & xp.all(xp.isfinite(part), axis=1)
    energy = xp.where(sound, state.potential_energy, xp.inf)
    best = xp.argmin(energy)[None]

    def put(values: Array) -> Array:
        has = sound if values.ndim == 1 else sound[:, None]
        return xp.where(has, values, xp.take(values, best, axis=0))

    return State(*(put(part) for part in state))


class Place(NamedTuple):
    """Where particles are for users: positions [particle, dim] and energies [particle]."""

    position: Array
    potential_energy: Array


def for_users(learnt: Learnt, state: State, control: Control) -> Place:
    """The particles in the coordinates of the user's potential."""
    place = Place(state.position, state.potential_energy)
    if "chart" not in learnt:
        return place
    chart = learnt["chart"].chart

    def left(place: Place) -> Place:
        position, log_volume = charts.to_position(chart, place.position)
        return Place(position, place.potential_energy + log_volume)

    return control.cond(charts.is_moving(chart), left, lambda same: same, place)
