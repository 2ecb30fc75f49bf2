"""Moments of the positions and gradients of a window, for all that is fitted (section 7)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from fhl_ppl.core.control import Control
from fhl_ppl.core.learners import windows
from fhl_ppl.core.learners.learner import Given, Learnt, Seen, Steady, Window
from fhl_ppl.core.metrics import LowRankMetric, low_rank_fit
from fhl_ppl.core.metrics.low_rank_fit import Sample
from fhl_ppl.core.moments import independent, welford
from fhl_ppl.core.plan import Plan
from fhl_ppl.core.state import State

Array = Any


class PooledMoments(NamedTuple):
    """What all particles have seen since the window began.

    Attributes
    ----------
    positions, gradients
        A `Welford`, or for a metric of low rank a `Sample`.
    differences
        Sum of `independent.difference`, shape [dim].
    """

    positions: Any
    gradients: Any
    differences: Array

    def independent_draws(self, num_particles: int) -> Array:
        """How many independent draws the positions are worth, a scalar."""
        return independent.independent_draws(self.differences, self.positions, num_particles)


@dataclass(frozen=True)
class Moments(Steady):
    """Collects moments; stands last, so that all others have used them when they are emptied.

    Attributes
    ----------
    dense
        Whether to collect full covariances, [dim, dim], or variances, [dim].
    window_ends
        Over what the rows of a `Sample` are spread; None where the metric is not of low rank.
    """

    dense: bool
    window_ends: tuple[int, ...] | None

    @classmethod
    def of(cls, plan: Plan) -> "Moments":
        """Take from the plan what form the metric has."""
        return cls(plan.dense, plan.window_ends if plan.low_rank else None)

    def start(self, state: State, given: Given) -> PooledMoments:
        """Begin with nothing."""
        return self._nothing(state)

    def observe(self, own: PooledMoments, seen: Seen, learnt: Learnt) -> PooledMoments:
        """Add where the particles are."""
        state = seen.within
        positions: Any
        gradients: Any
        if self.window_ends is None:
            positions = welford.update(own.positions, state.position)
            gradients = welford.update(own.gradients, state.gradient)
        else:
            positions, gradients = _with_rows(
                own, state, learnt["metric"], seen.iteration, self.window_ends, seen.control
            )
        differences = own.differences + independent.difference(state.position)
        return PooledMoments(positions, gradients, differences)

    def renew(
        self, own: PooledMoments, window: Window, before: Learnt, renewed: Learnt
    ) -> PooledMoments:
        """Begin again."""
        return self._nothing(window.gathered)

    def _nothing(self, state: State) -> PooledMoments:
        none = 0 * state.position[0, :]
        if self.window_ends is not None:
            empty = low_rank_fit.empty
            return PooledMoments(empty(state.position), empty(state.gradient), none)
        return PooledMoments(
            welford.empty(state.position, self.dense),
            welford.empty(state.position, self.dense),
            none,
        )


def _with_rows(
    own: Any,
    state: State,
    metric: LowRankMetric,
    iteration: Array,
    window_ends: tuple[int, ...],
    control: Control,
) -> tuple[Sample, Sample]:
    """Add a state to both samples, and keep it as rows where one is due."""
    position, gradient = state.position, state.gradient
    samples = (
        low_rank_fit.update(own.positions, position, metric.straighten(position)),
        low_rank_fit.update(own.gradients, gradient, metric.straighten_gradient(gradient)),
    )
    due, slot = windows.slot_due(iteration, window_ends, own.positions.rows.shape[0])
    return control.cond(
        due > 0,
        lambda value: (
            low_rank_fit.keep(value[0], position, slot),
            low_rank_fit.keep(value[1], gradient, slot),
        ),
        lambda value: value,
        samples,
    )
