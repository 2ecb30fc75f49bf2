"""Whether the energy has steps that its gradient does not see (section 7, unseen steps).

Where a rate changes at a date, or a value is rounded, trajectories lose at every such step whatever
eta is: what they lose goes by how far they go. An integrator's error falls with eta at least as its
square, and so do the losses in a narrow neck. Shrinking eta until nothing is lost would then take
all trajectories to the cap, so they are kept short, as with a force that is not the gradient.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.learners import lost_proposals
from fhl_ppl.core.learners.learner import Given, Learnt, Seen, Steady, Window
from fhl_ppl.core.plan import Kind, Plan
from fhl_ppl.core.state import State

Array = Any

SHORT = Kind(max_num_steps=4, target_accept_prob=0.6)
"""Trajectories where the force does not tell what the energy does: the error that it makes grows
with their length and not with their step, so that long ones are dear and end in rejection."""
TRAJECTORY_FLOOR = 0.05
"""Share of the iterations that trajectories then keep beside the jumps, which find the way."""
EXPONENT = 0.5
"""Losses for a given length go as eta to some power: 0 for steps, 2 and more for an integrator."""
DEVIATIONS = 2.0
"""Standard errors by which the power has to be below `EXPONENT`."""
SWEEP = 1.2
"""How far log eta has to have varied for that, as a standard deviation: it sank, and to no avail.
Without steps it is .2 to .9 in most windows, but where a particle is stuck it was up to 1.9 with a
negative power (`stochastic_volatility_small`): hence `IN_A_ROW`; `switch_cont` has 1.2 and more."""
FEWEST = 10.0
"""Losses from which the power is worked out."""

IN_A_ROW = 3.0
"""Windows of which each has to say so. A particle that is stuck, or on its way, loses whatever eta
is: of `stochastic_volatility_small` one window said so in two seeds of four, and no two in a row;
of `switch_cont` all do."""


class UnseenSteps(NamedTuple):
    """What was lost in the window, and how far trajectories went.

    Attributes
    ----------
    sums
        Of l, l x, T, T x and T x^2, l being 1 - acceptance and x log eta, shape [5].
    in_a_row
        Windows, up to the last, that had steps, a scalar.
    found
        1 once steps have been found, 0 before, a scalar.
    """

    sums: Array
    in_a_row: Array
    found: Array


@dataclass(frozen=True)
class UnseenStepsLearner(Steady):
    """Compares the losses with short steps and with long ones.

    Attributes
    ----------
    looks
        Whether there is a gradient to be trusted, and a step that adapts.
    """

    looks: bool
    learns_from_jumps = False

    @classmethod
    def of(cls, plan: Plan) -> "UnseenStepsLearner":
        """Take from the plan whether the force is meant to be the gradient."""
        return cls(plan.trusts_gradient and plan.adapt_step_size)

    def start(self, state: State, given: Given) -> UnseenSteps:
        """Begin with trust."""
        return _nothing(array_namespace(state.position).zeros_like(state.potential_energy[0]))

    def observe(self, own: UnseenSteps, seen: Seen, learnt: Learnt) -> UnseenSteps:
        """Add what the particles lost that nothing but the integrator moved, and where they could.

        What has no energy at all is a wall, or a mode's border.
        """
        if not self.looks:
            return own
        info, tuning = seen.info, seen.tuning
        xp = array_namespace(info.accept_prob)
        asked = info.is_free & ~seen.is_stray
        asked = asked & ~lost_proposals.excused(learnt["lost_proposals"], info.is_lost)
        lost = xp.sum(xp.where(asked, 1 - info.step_accept_prob, 0 * info.step_accept_prob))
        count = xp.sum(xp.astype(asked, info.accept_prob.dtype))
        length = count * tuning.step_size * tuning.num_steps
        at = xp.log(tuning.step_size)
        parts = [lost, lost * at, length, length * at, length * at**2]
        return own._replace(sums=own.sums + xp.stack(parts))

    def renew(
        self, own: UnseenSteps, window: Window, before: Learnt, renewed: Learnt
    ) -> UnseenSteps:
        """Judge the window, and begin again."""
        xp = array_namespace(own.found)
        in_a_row = xp.where(has_steps(own), own.in_a_row + 1, xp.zeros_like(own.in_a_row))
        found = xp.where(in_a_row >= IN_A_ROW, xp.ones_like(own.found), own.found)
        return _nothing(0 * own.found)._replace(in_a_row=in_a_row, found=found)


def cap(own: UnseenSteps) -> Array:
    """The most steps of a trajectory, a scalar; infinite without steps in the energy."""
    xp = array_namespace(own.found)
    short = xp.full_like(own.found, SHORT.max_num_steps)
    return xp.where(own.found > 0, short, xp.full_like(own.found, xp.inf))


def target(own: UnseenSteps, usual: Array) -> Array:
    """Acceptance to aim at in place of the `usual` one."""
    xp = array_namespace(usual)
    short = xp.full_like(usual, SHORT.target_accept_prob)
    return xp.where(own.found > 0, xp.minimum(short, usual), usual)


def has_steps(own: UnseenSteps) -> Array:
    """Whether losses do not fall with eta, a scalar.

    If they go as T eta^s, the score at s = 0 is what the mean of log eta by losses exceeds that by
    lengths by, and its information their variance by lengths.
    """
    xp = array_namespace(own.found)
    one = xp.ones_like(own.found)
    sums = [own.sums[k] for k in range(5)]
    losses, lengths = (xp.where(value > 0, value, one) for value in (sums[0], sums[2]))
    mean = sums[3] / lengths
    variance = sums[4] / lengths - mean**2
    variance = xp.where(variance > 0, variance, one)
    power = (sums[1] / losses - mean) / variance
    below = power + DEVIATIONS / xp.sqrt(losses * variance) < EXPONENT
    return below & (variance > SWEEP**2) & (sums[0] >= FEWEST)


def _nothing(zero: Array) -> UnseenSteps:
    return UnseenSteps(array_namespace(zero).stack([zero] * 5), zero, zero)
