"""The mass matrix, renewed at the end of every window (section 7, metric)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fhl_ppl.core.arrays import array_namespace, eye
from fhl_ppl.core.learners.learner import Given, Learnt, Steady, Window, if_finite
from fhl_ppl.core.metrics import AnyMetric
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.metrics.low_rank import make_low_rank
from fhl_ppl.core.metrics.low_rank_fit import RANK
from fhl_ppl.core.moments.welford import Welford
from fhl_ppl.core.plan import Plan
from fhl_ppl.core.state import State

Array = Any


@dataclass(frozen=True)
class MetricLearner(Steady):
    """Fits the metric to what was seen.

    Attributes
    ----------
    estimate
        (positions, gradients, draws=n) -> metric: `from_scores` or `from_positions` of
        `metrics.dense_fit` or `metrics.low_rank_fit`. None keeps the metric as it is.
    """

    estimate: Callable[..., AnyMetric] | None

    @classmethod
    def of(cls, plan: Plan) -> "MetricLearner":
        """Take from the plan how it is fitted."""
        return cls(plan.estimate_metric)

    def start(self, state: State, given: Given) -> AnyMetric:
        """Begin with what is given."""
        return given.metric

    def renew(self, own: AnyMetric, window: Window, before: Learnt, renewed: Learnt) -> AnyMetric:
        """Fit anew; an estimate that is not finite is left out."""
        if self.estimate is None:
            return own
        moments = before["moments"]
        count = moments.independent_draws(window.state.position.shape[0])
        gradients = moments.gradients
        if isinstance(gradients, Welford):
            found = renewed["unseen_steps"].found
            gradients = unless_steps(gradients, moments.positions, found)
        fitted = self.estimate(moments.positions, gradients, draws=count)
        return if_finite(fitted, own, window.control)


def unless_steps(gradients: Welford, positions: Welford, found: Array) -> Welford:
    """Replace gradients that do not tell the scales, where `found`, by those of a Gaussian.

    Of one with the variances of the positions and no correlations: `from_scores` then gives these
    variances, and correlations half way to none.
    """
    xp = array_namespace(positions.mean)
    scatter = positions.scatter
    own = scatter if scatter.ndim == 1 else xp.linalg.diagonal(scatter)
    expected = (positions.count - 1) ** 2 / xp.where(own > 0, own, xp.ones_like(own))
    if scatter.ndim == 2:
        expected = eye(own) * expected
    return gradients._replace(scatter=xp.where(found > 0, expected, gradients.scatter))


def first_metric(inverse_mass_matrix: Array, is_low_rank: bool) -> AnyMetric:
    """Begin with M^-1, [dim] or [dim, dim]; of low rank it starts as a diagonal."""
    if is_low_rank:
        return make_low_rank(inverse_mass_matrix, min(RANK, len(inverse_mass_matrix)))
    return make_metric(inverse_mass_matrix)
