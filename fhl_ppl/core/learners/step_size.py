"""Step size by dual averaging (Hoffman and Gelman 2014, section 3.2; here section 7)."""

from dataclasses import dataclass
from math import inf, log
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.groups import Groups, group_sum
from fhl_ppl.core.learners import lost_proposals, unseen_steps, windows
from fhl_ppl.core.learners.learner import Given, Learnt, Seen, Steady, Window
from fhl_ppl.core.learners.trajectory_length import TrajectoryLength, of_kinds
from fhl_ppl.core.plan import Plan
from fhl_ppl.core.state import State

Array = Any

REGULARIZATION = 0.05
"""gamma: smaller lets the step size follow the acceptance faster."""
DELAY = 10.0
"""t0: damps the first iterations."""
FORGETTING = 0.75
"""kappa: how fast the average forgets early iterates."""
WORST = 0.2
"""Acceptance that a lost proposal counts as."""
FIRST_AMBITION = 10.0
"""The iterates are first shrunk towards this many times the given step size."""
AMBITION = 2.0
"""The same after the metric has changed, when the step size is already about right."""

FRESH_STEP = 0.3
"""Least step to begin with in a metric that has been renewed: right for most, where it is the right
metric. Too long a one costs a few iterations of few steps, too short a one many of many."""


@dataclass(frozen=True)
class StepSize(Steady):
    """Adapts eta, one for each kind of trajectory.

    Attributes
    ----------
    trajectory
        Who settles T: acceptance says nothing about steps that are longer than it.
    target_accept_prob
        Acceptance to aim at, where there is one kind of trajectory.
    adapt
        Whether to adapt eta at all.
    pull_is_given
        Whether all followers may be pulled in all iterations.
    trusts_gradient
        Whether the force is the gradient of U. If not, all lost proposals count.
    smallest, largest
        Bounds on eta.
    """

    trajectory: TrajectoryLength
    target_accept_prob: float
    adapt: bool
    pull_is_given: bool
    trusts_gradient: bool
    smallest: float
    largest: float
    search_ends: int
    learns_from_jumps = False

    @classmethod
    def of(cls, plan: Plan) -> "StepSize":
        """Take from the plan what concerns eta."""
        return cls(
            TrajectoryLength.of(plan),
            plan.target_accept_prob,
            plan.adapt_step_size,
            plan.pulling_strength is not None,
            plan.trusts_gradient,
            plan.min_step_size,
            plan.max_step_size,
            windows.search_ends(plan.window_ends),
        )

    def start(self, state: State, given: Given) -> "DualAveraging":
        """Begin with the step size that is given, for all kinds."""
        xp = array_namespace(state.position)
        first = xp.log(xp.zeros_like(state.potential_energy[0]) + given.step_size)
        kinds = self.trajectory.kinds
        return start(xp.stack([first] * len(kinds)) if kinds else first)

    def observe(self, own: "DualAveraging", seen: Seen, learnt: Learnt) -> "DualAveraging":
        """Make a step of dual averaging, by the acceptance of who bears witness."""
        if not self.adapt:
            return own
        return update(
            own,
            seen.groups,
            seen.info.step_accept_prob,
            self._witnesses(seen, learnt["lost_proposals"]),
            unseen_steps.target(learnt["unseen_steps"], self.target(own.log_step_size)),
            self._longest(own, learnt),
            True if seen.tuning.kind is None else seen.tuning.kind,
        )

    def renew(
        self, own: "DualAveraging", window: Window, before: Learnt, renewed: Learnt
    ) -> "DualAveraging":
        """Start anew: the step is one in a new metric."""
        if not self.adapt:
            return own
        done = array_namespace(own.log_average).zeros_like(own.log_average) + window.iteration + 1
        return restart(own, done >= self.search_ends)

    def settle(self, own: "DualAveraging", learnt: Learnt, is_over: Array) -> "DualAveraging":
        """Settle, in the end, on the averaged step size."""
        xp = array_namespace(own.log_average)
        is_over = xp.zeros_like(own.log_average) + is_over > 0
        return own._replace(log_step_size=xp.where(is_over, own.log_average, own.log_step_size))

    def step_size(self, own: "DualAveraging") -> Array:
        """eta, before it is shortened to make up T with a whole number of steps."""
        xp = array_namespace(own.log_step_size)
        step_size = xp.exp(own.log_step_size)
        if self.smallest > 0 or self.largest < inf:
            step_size = xp.clip(step_size, self.smallest, self.largest)
        return step_size

    def target(self, like: Array) -> Array:
        """Acceptance to aim at, shaped as `like`, one for each kind."""
        if self.trajectory.kinds:
            return of_kinds(self.trajectory.kinds, "target_accept_prob", like)
        return array_namespace(like).full_like(like, self.target_accept_prob)

    def _witnesses(self, seen: Seen, losses: Array) -> Array:
        """Whose acceptance tunes the step size, shape [particle].

        What the pull costs does not vanish with the step size, so the free particles are asked.
        Only where a fixed strength leaves none (joint coupling) must the pulled ones do. Nor does
        what a wall costs, but with a wrong force shorter trajectories are the only remedy for that.
        Strays would have it so short that nobody else moved.
        """
        asked = seen.info.is_free & ~seen.is_stray
        if self.pull_is_given:
            asked = asked | ~array_namespace(asked).any(asked)
        if self.trusts_gradient:
            asked = asked & ~lost_proposals.excused(losses, seen.info.is_lost)
        return asked

    def _longest(self, own: "DualAveraging", learnt: Learnt) -> Array:
        """The longest step that T allows, for each kind."""
        if self.trajectory.num_steps is not None:
            return array_namespace(own.log_step_size).full_like(own.log_step_size, inf)
        longest = self.trajectory.longest(learnt["trajectory_length"])
        if self.trajectory.kinds:
            longest = longest / of_kinds(self.trajectory.kinds, "min_num_steps", longest)
        return longest


class DualAveraging(NamedTuple):
    """All scalars.

    Attributes
    ----------
    log_step_size
        log eta to use in the next iteration.
    log_average
        log of the averaged step size, the one to freeze.
    mean_error
        Running mean of target - acceptance.
    log_anchor
        mu, what the iterates are shrunk towards.
    count
        Iterations since the last restart.
    """

    log_step_size: Array
    log_average: Array
    mean_error: Array
    log_anchor: Array
    count: Array


def start(log_step_size: Array) -> DualAveraging:
    """Start at a step size, expecting a larger one to do: too small a step costs more."""
    return _from(log_step_size, FIRST_AMBITION)


def restart(state: DualAveraging, is_last: Array | None = None) -> DualAveraging:
    """Go on from the averaged step size with an empty record."""
    if is_last is None:
        return _from(state.log_average, AMBITION)
    xp = array_namespace(state.log_average)
    fresh = xp.maximum(state.log_average, xp.log(0 * state.log_average + FRESH_STEP))
    return _from(xp.where(is_last, state.log_average, fresh), AMBITION)


def update(
    state: DualAveraging,
    groups: Groups,
    accept_prob: Array,
    witness: Array,
    target: float | Array,
    largest: Array,
    used: Array | bool = True,
) -> DualAveraging:
    """One step towards an `acceptance` of `target`; without a witness nothing changes.

    `accept_prob` and `witness` have shape [particle]. `largest`, a scalar, bounds the step size.
    Several step sizes at a time are arrays [kind], and so may be what else concerns them; `used`
    marks those that `accept_prob` is of.
    """
    xp = array_namespace(state.log_step_size)
    achieved = acceptance(groups, accept_prob, witness)
    stepped = _step(state, achieved, target, xp.log(largest))
    heard = xp.any(witness) & used
    return DualAveraging(
        *(xp.where(heard, new, old) for new, old in zip(stepped, state, strict=True))
    )


def _step(
    state: DualAveraging, achieved: Array, target: float | Array, limit: Array
) -> DualAveraging:
    xp = array_namespace(state.log_step_size)
    count = state.count + 1
    weight = 1 / (count + DELAY)
    mean_error = (1 - weight) * state.mean_error + weight * (target - achieved)
    # A record of steps that were not taken would have to be undone before a shorter step is tried.
    at_limit = (state.log_anchor - limit) * REGULARIZATION / xp.sqrt(count)
    mean_error = xp.maximum(mean_error, at_limit)
    log_step_size = state.log_anchor - xp.sqrt(count) / REGULARIZATION * mean_error
    weight = count**-FORGETTING
    log_average = weight * log_step_size + (1 - weight) * state.log_average
    return DualAveraging(log_step_size, log_average, mean_error, state.log_anchor, count)


def acceptance(groups: Groups, accept_prob: Array, witness: Array) -> Array:
    """Acceptance to judge a step size by, a scalar; 0 without witnesses.

    The harmonic mean over the witnesses of each group, averaged over the groups by their number.
    With the plain mean three happy particles hide a fourth that never moves; a harmonic mean over
    all would let the worst of many particles alone decide, and the step shrink with their number.
    Acceptances count as at least `WORST`: at a wall some proposals are lost whatever the step, and
    a harmonic mean that falls to 0 for each would shrink it without end.
    """
    xp = array_namespace(accept_prob)
    weight = xp.astype(witness, accept_prob.dtype)
    worst = xp.full_like(accept_prob, WORST)
    summed = group_sum(groups, xp.stack([weight, weight / xp.maximum(accept_prob, worst)], axis=1))
    count, inverse = summed[:, 0], summed[:, 1]
    harmonic = count / xp.where(count > 0, inverse, xp.ones_like(inverse))
    total = xp.sum(count)
    return xp.sum(count * harmonic) / xp.maximum(total, xp.ones_like(total))


def _from(log_step_size: Array, ambition: float) -> DualAveraging:
    zero = array_namespace(log_step_size).zeros_like(log_step_size)
    return DualAveraging(log_step_size, log_step_size, zero, log_step_size + log(ambition), zero)
