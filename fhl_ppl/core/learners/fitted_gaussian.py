"""The Gaussian that jumps are made from, fitted to the positions of the last window (section 8)."""

from dataclasses import dataclass
from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.learners.learner import Given, Learnt, Steady, Window, if_finite
from fhl_ppl.core.metrics import AnyMetric, dense_fit, low_rank_fit
from fhl_ppl.core.moments import widest_in_halves
from fhl_ppl.core.moves.move import FittedGaussian
from fhl_ppl.core.plan import Plan
from fhl_ppl.core.state import State

Array = Any

WIDER = 0.5
"""How much more variance it gets, times the root of the dimension."""


@dataclass(frozen=True)
class FittedGaussianLearner(Steady):
    """Fits mean, covariance and widest direction.

    Attributes
    ----------
    fits
        Whether there are jumps to fit it for.
    is_low_rank
        Whether the metric is of low rank, and the covariance with it.
    trusts_gradient
        Whether the force is the gradient of U; without it positions count for as many as are
        independent.
    """

    fits: bool
    is_low_rank: bool
    trusts_gradient: bool

    @classmethod
    def of(cls, plan: Plan) -> "FittedGaussianLearner":
        """Take from the plan what it is fitted for."""
        return cls(bool(plan.jumps), plan.low_rank, plan.trusts_gradient)

    def start(self, state: State, given: Given) -> FittedGaussian:
        """Begin where the particles are, without a direction."""
        xp = array_namespace(state.position)
        centre = xp.mean(state.position, axis=0)
        nothing = xp.zeros_like(state.potential_energy[0])
        return FittedGaussian(centre, given.metric, xp.zeros_like(centre), nothing)

    def renew(
        self, own: FittedGaussian, window: Window, before: Learnt, renewed: Learnt
    ) -> FittedGaussian:
        """Fit anew."""
        if not self.fits:
            return own
        moments, metric = before["moments"], renewed["metric"]
        positions: Any = moments.positions
        # A Gaussian with too thin a tail would hold on to particles far out; in dim dimensions this
        # much more variance costs it an eighth of its acceptance.
        wider = 1 + WIDER / positions.mean.shape[0] ** 0.5
        found: AnyMetric
        if self.is_low_rank:
            narrow = low_rank_fit.from_positions(positions, moments.gradients)
            found = narrow._replace(scale=wider**0.5 * narrow.scale)
            direction, variance = low_rank_fit.widest_direction(
                before["metric"],
                widest_in_halves.widest(before["trajectory_length"]),
                metric,
                positions,
            )
        else:
            widened = positions._replace(scatter=wider * positions.scatter)
            # Shrunk by fewer draws the Gaussian of a hierarchical posterior is a poor one, and with
            # a true gradient there are draws enough.
            count = None
            if not self.trusts_gradient:
                count = moments.independent_draws(window.state.position.shape[0])
            found = dense_fit.from_positions(widened, moments.gradients, draws=count)
            direction, variance = dense_fit.widest_direction(metric, positions)
        fitted = FittedGaussian(positions.mean, found, direction, variance)
        return if_finite(fitted, own, window.control)
