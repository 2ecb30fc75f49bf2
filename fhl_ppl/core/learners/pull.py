"""How hard to pull: a state-independent mixture of strengths that contains 0 (section 7).

With a correct gradient the pull is work that the test charges for, and 0 wins; with a missing or
wrong one a pull wins, by how much kappa depends on the dimension: measured with no gradient, .7 in
10 dimensions and 2.8 in 2. Which of the two it is shows in the expected squared jump of the pulled
particles, so warm-up measures that and freezes the weights.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from array_api_compat import device

from fhl_ppl.core.arrays import array_namespace, numbered
from fhl_ppl.core.groups import Groups, first_of_group
from fhl_ppl.core.learners.cost import Cost
from fhl_ppl.core.learners.learner import Given, Learnt, Seen, Steady
from fhl_ppl.core.plan import Plan
from fhl_ppl.core.state import Draws, State

Array = Any

KAPPAS = (0.0, 0.35, 0.7, 1.4, 2.8)
"""The pulls on offer, as kappa = lambda (eta L)^2: how far through its period a follower gets."""
TRIAL_SHARE = 0.04
"""Probability that each pull keeps during warm-up, so that its worth goes on being measured."""
SHARPNESS = 8.0
"""Weights go as (squared jump per gradient)^SHARPNESS: near ties are shared, the rest is not."""
HANDICAP = 0.7
"""Factor on the worth of a pull under a true gradient: a jump towards the leader is worth less than
a free one, and near ties must not slow the squares down. A gradient that is not to be trusted needs
none: with it warm-up undervalued the pull (turned by 1 rad, d = 10: 25.7 effective draws for 1000
evaluations, 29.0 without)."""
NEGLIGIBLE = 0.02
"""Weights below this become 0."""
MEMORY = 0.5
"""Share of the record kept when the metric changes, and with it the unit of the jumps."""


@dataclass(frozen=True)
class Pull(Steady):
    """Weighs the pulls on offer by the squared jump per gradient of those they pull.

    Attributes
    ----------
    given
        lambda, where it is not to be learnt.
    handicap
        Factor on the worth of a pull.
    cost
        What an iteration costs.
    """

    given: float | None
    handicap: float
    cost: Cost
    learns_from_jumps = False

    @classmethod
    def of(cls, plan: Plan) -> "Pull":
        """Take from the plan what concerns the pull."""
        handicap = HANDICAP if plan.trusts_gradient else 1.0
        return cls(plan.pulling_strength, handicap, Cost(plan.energy_cost, plan.force_cost))

    def start(self, state: State, given: Given) -> "PullMixture":
        """Begin with no pull as the rule and every pull on trial."""
        xp = array_namespace(state.position)
        return start(xp.zeros_like(state.potential_energy[0]))

    def observe(self, own: "PullMixture", seen: Seen, learnt: Learnt) -> "PullMixture":
        """Record how far the followers of each group came under its pull."""
        if self.given is not None:
            return own
        info = seen.info
        return record(own, seen.tuning.pull, info.squared_jump, info.is_pulled, self.cost.of(info))

    def settle(self, own: "PullMixture", learnt: Learnt, is_over: Array) -> "PullMixture":
        """Weigh what was recorded; until the end every pull stays on trial."""
        return reweigh(own, 1 - is_over * 1, self.handicap)

    def chosen(self, own: "PullMixture", groups: Groups, draws: Draws) -> Array:
        """Which pull each particle's group has drawn, one-hot, shape [particle, option]."""
        return choose(own, first_of_group(groups, draws.strength))


class PullMixture(NamedTuple):
    """The options and what they have achieved; every field has shape [option].

    Attributes
    ----------
    kappa
        lambda (eta L)^2 of each option.
    weight
        Probability of each option.
    jump
        Sum of the expected squared jumps of the particles that the option could pull.
    gradients
        Gradients that they took, or what they cost.
    """

    kappa: Array
    weight: Array
    jump: Array
    gradients: Array


def start(like: Array) -> PullMixture:
    """Begin with no pull as the rule and every pull on trial; arrays typed as `like`."""
    xp = array_namespace(like)
    kappa = xp.asarray(KAPPAS, dtype=like.dtype, device=device(like))
    zero = xp.zeros_like(kappa)
    return PullMixture(kappa, _with_trials(xp.astype(kappa == 0, like.dtype)), zero, zero)


def choose(mixture: PullMixture, uniform: Array) -> Array:
    """Pick an option for every uniform number: one-hot, [particle] to [particle, option]."""
    xp = array_namespace(uniform)
    upper = xp.cumulative_sum(mixture.weight) / xp.sum(mixture.weight)
    passed = xp.astype(uniform[:, None] >= upper, upper.dtype)
    picked = xp.sum(passed, axis=1)
    return picked[:, None] == numbered(upper)


def strength_for(mixture: PullMixture, chosen: Array, step_size: Array, num_steps: Array) -> Array:
    """lambda = kappa / (eta L)^2 of the chosen options, shape [particle]."""
    xp = array_namespace(chosen)
    kappa = xp.sum(xp.where(chosen, mixture.kappa, 0.0), axis=1)
    return kappa / (step_size * num_steps) ** 2


def record(
    mixture: PullMixture, chosen: Array, squared_jump: Array, pulled: Array, cost: Array
) -> PullMixture:
    """Add the `squared_jump` of one iteration at a `cost`, of the particles that `pulled` marks."""
    xp = array_namespace(squared_jump)
    mask = xp.astype(chosen & pulled[:, None], squared_jump.dtype)
    return mixture._replace(
        jump=mixture.jump + xp.sum(mask * squared_jump[:, None], axis=0),
        gradients=mixture.gradients + xp.sum(mask, axis=0) * cost,
    )


def reweigh(mixture: PullMixture, on_trial: Array, handicap: float = HANDICAP) -> PullMixture:
    """Turn the record into weights; while `on_trial`, a scalar, every pull keeps its share."""
    xp = array_namespace(mixture.weight)
    worth = mixture.jump / xp.maximum(mixture.gradients, xp.ones_like(mixture.gradients))
    worth = xp.where(mixture.kappa > 0, handicap * worth, worth)
    best = xp.max(worth)
    known = best > 0
    score = (worth / xp.where(known, best, xp.ones_like(best))) ** SHARPNESS
    weight = xp.where(known, score, xp.astype(mixture.kappa == 0, worth.dtype))
    weight = xp.where(weight < NEGLIGIBLE * xp.sum(weight), xp.zeros_like(weight), weight)
    weight = weight / xp.sum(weight)
    return PullMixture(
        mixture.kappa,
        xp.where(xp.zeros_like(weight) + on_trial > 0, _with_trials(weight), weight),
        MEMORY * mixture.jump,
        MEMORY * mixture.gradients,
    )


def _with_trials(weight: Array) -> Array:
    return TRIAL_SHARE + (1 - TRIAL_SHARE * len(KAPPAS)) * weight
