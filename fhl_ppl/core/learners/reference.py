"""The Gaussian in which the drift is exact: its centre, and how far it is trusted (section 3)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from fhl_ppl.core.homes import follow
from fhl_ppl.core.learners.learner import Given, Learnt, Seen, Steady, Window, homes_of, if_finite
from fhl_ppl.core.metrics import AnyMetric
from fhl_ppl.core.moments import tails, welford
from fhl_ppl.core.moments.welford import Welford
from fhl_ppl.core.plan import Plan
from fhl_ppl.core.state import State
from fhl_ppl.core.trajectory.reference import Reference, no_reference

Array = Any


class CheckedReference(NamedTuple):
    """A reference, and how far from its centre the particles were seen.

    Attributes
    ----------
    reference
        What trajectories turn about.
    distances
        Moments of the squared distances, in the whitened space.
    """

    reference: Reference
    distances: Welford


@dataclass(frozen=True)
class ReferenceLearner(Steady):
    """Fits centre and frequency.

    Attributes
    ----------
    estimate_centre
        `dense_fit.centre_from_scores`, (metric, positions, gradients) -> c. None goes without:
        leapfrog steps.
    """

    estimate_centre: Callable[[AnyMetric, Any, Any], Array] | None

    @classmethod
    def of(cls, plan: Plan) -> "ReferenceLearner":
        """Take from the plan how it is fitted."""
        return cls(plan.estimate_centre)

    def start(self, state: State, given: Given) -> CheckedReference:
        """Begin without one."""
        return CheckedReference(no_reference(state.position), _no_distances(state))

    def observe(self, own: CheckedReference, seen: Seen, learnt: Learnt) -> CheckedReference:
        """Measure how far the particles are from the centre."""
        if self.estimate_centre is None:
            return own
        distances = tails.squared_distance(
            learnt["metric"], own.reference.centre, seen.within.position
        )
        return own._replace(distances=welford.update(own.distances, distances))

    def renew(
        self, own: CheckedReference, window: Window, before: Learnt, renewed: Learnt
    ) -> CheckedReference:
        """Fit the centre for the new metric, and let omega fall where tails are heavy."""
        reference = own.reference
        if self.estimate_centre is not None:
            moments = before["moments"]
            centre = self.estimate_centre(renewed["metric"], moments.positions, moments.gradients)
            centre = follow(centre, homes_of(before), homes_of(renewed))
            heaviness = tails.tail_weight(
                own.distances, before["metric"], reference.centre, moments.positions
            )
            frequency = tails.frequency(heaviness) * (1 - renewed["unseen_steps"].found)
            reference = if_finite(Reference(centre, frequency), reference, window.control)
        return CheckedReference(reference, _no_distances(window.state))


def _no_distances(state: State) -> Welford:
    return welford.empty(state.position[:, :1], dense=False)
