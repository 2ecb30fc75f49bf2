"""Shares of the moves: trajectories and jumps, mixed by what each is worth (section 8).

A move's worth is its expected squared jump per gradient, taken where it is needed: the jumps along
the direction in which the whitened posterior is widest count apart from the rest, and more, the
slower all moves together are there. Two distant modes are such a direction.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from array_api_compat import device

from fhl_ppl.core.arrays import array_namespace, numbered
from fhl_ppl.core.learners.cost import Cost
from fhl_ppl.core.learners.learner import Given, Learnt, Seen, Steady, homes_of
from fhl_ppl.core.learners.unseen_steps import TRAJECTORY_FLOOR as TRAJECTORY_FLOOR_SHORT
from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.moves.choice import Choice
from fhl_ppl.core.plan import Plan
from fhl_ppl.core.state import State

Array = Any

TRIAL_SHARE = 0.03
"""Probability that each jump keeps in warm-up, so that its worth goes on being measured."""
JUMP_FLOOR = 0.005
"""The same when sampling: what looks useless may still be the one way to a mode."""
TRAJECTORY_FLOOR = 0.5
"""Probability that trajectories keep: a particle far out in a tail refuses every jump, they free
it."""
BETWEEN_TRIAL = 0.1
"""Probability that each move between modes keeps in warm-up, while several modes are known."""
BETWEEN_FLOOR = 0.05
"""The same when sampling."""
KIND_TRIAL = 0.1
"""Share of the trajectories that each kind of them keeps in warm-up."""
TRAJECTORY_TRIAL = 0.15
"""Probability that trajectories of several kinds keep in warm-up: each tunes a step of its own."""
HANDICAP = 0.4
"""Factor on the worth of a jump: where it is refused it is refused many times in a row."""
SHARPNESS = 8.0
"""Weights go as worth^SHARPNESS."""
NEED = 3.0
"""The two kinds of direction count as (rate of all moves together)^-NEED."""
ACCEPTED = 2.0
"""Acceptances, added up, from which a move's record counts in full, and below which in proportion.
Along a direction that all move slowly in, one far jump of fifty tries has the best rate of all: of
`horseshoe` such a one took up to half of the iterations, and was then accepted hardly ever."""
MEMORY = 0.5
"""Share of the record kept when the metric changes, and with it the unit of the jumps."""


class Shares(NamedTuple):
    """Options and what they have achieved: the kinds of trajectories, most often one, then jumps.

    Attributes
    ----------
    kinds, jumps
        Probabilities of each kind of trajectory, [kind], and of each jump on offer, [jump].
    rate
        Sums of the expected squared jumps along the widest direction, and of the mean square along
        all, in units of the variance there; and of the acceptance, shape [option, 3].
    cost
        Gradients that the option took, or what they cost, shape [option].
    """

    kinds: Array
    jumps: Array
    rate: Array
    cost: Array


@dataclass(frozen=True)
class MoveShares(Steady):
    """Weighs trajectories of each kind and the jumps on offer.

    Attributes
    ----------
    names
        The jumps on offer; empty if there are none.
    kinds
        How many kinds of trajectories there are.
    trajectory_floor, jump_floor
        Shares of the iterations that trajectories, and each of the jumps, keep.
    cost
        What an iteration costs.
    """

    names: tuple[str, ...]
    kinds: int
    trajectory_floor: float
    jump_floor: float
    cost: Cost

    @classmethod
    def of(cls, plan: Plan) -> "MoveShares":
        """Take from the plan what there is to choose from."""
        return cls(
            plan.jumps,
            len(plan.kinds) or 1,
            plan.trajectory_floor,
            plan.jump_floor,
            Cost(plan.energy_cost, plan.force_cost),
        )

    def start(self, state: State, given: Given) -> Shares:
        """Begin with trajectories alone, of all kinds: there is nothing yet to jump by."""
        xp = array_namespace(state.position)
        return start(xp.zeros_like(state.potential_energy[0]), self.kinds, len(self.names))

    def observe(self, own: Shares, seen: Seen, learnt: Learnt) -> Shares:
        """Record how far a move came, at what cost."""
        if not self._chooses:
            return own
        info, tuning = seen.info, seen.tuning
        return record(
            own,
            tuning.jump,
            info.squared_jump,
            info.principal_jump,
            info.accept_prob,
            learnt["fitted_gaussian"].variance,
            self.cost.of(info),
            seen.state.position.shape[1],
            tuning.kind,
        )

    def settle(self, own: Shares, learnt: Learnt, is_over: Array) -> Shares:
        """Weigh what was recorded; until the end every move stays on trial."""
        if not self._chooses:
            return own
        homes = homes_of(learnt)
        between = None if homes is None else (self._between(own), homes.others > 0)
        found = learnt["unseen_steps"].found
        floor = self.trajectory_floor + found * (TRAJECTORY_FLOOR_SHORT - self.trajectory_floor)
        return reweigh(own, 1 - is_over * 1, floor, self.jump_floor, between=between)

    @property
    def _chooses(self) -> bool:
        return bool(self.names) or self.kinds > 1

    def _between(self, own: Shares) -> Array:
        """Which jumps are made only while several modes are known, boolean [jump]."""
        xp = array_namespace(own.kinds)
        flags = [JUMPS[name].between_modes for name in self.names]
        return xp.asarray(flags, dtype=xp.bool, device=device(own.kinds))


def start(like: Array, kinds: int, jumps: int) -> Shares:
    """Begin with trajectories of all kinds alone; arrays typed as the scalar `like`."""
    xp = array_namespace(like)
    zero = xp.stack([0 * like] * (kinds + jumps))
    each = xp.stack([0 * like + 1 / kinds] * kinds)
    return Shares(each, zero[kinds:], xp.stack([zero] * 3, axis=1), zero)


def record(
    shares: Shares,
    choice: Choice | None,
    squared_jump: Array,
    principal_jump: Array,
    accept_prob: Array,
    variance: Array,
    cost: Array,
    dim: int,
    kind: Array | None = None,
) -> Shares:
    """Add the jumps and acceptances [particle] of one iteration, each at a `cost`, a scalar.

    `choice` is None where there are no jumps, `kind` is that of the trajectory if there are
    several, and `variance` that of the widest direction.
    """
    xp = array_namespace(squared_jump)
    # An integer among the factors would make double precision of single precision in NumPy.
    option = xp.ones_like(squared_jump[:, None])
    if kind is not None:
        option = option * xp.astype(kind, squared_jump.dtype)
    if choice is not None:
        happens = xp.zeros_like(squared_jump[:1]) + choice.happens > 0
        happens = xp.astype(happens, squared_jump.dtype)
        jumped = xp.astype(choice.chosen, squared_jump.dtype) * happens
        option = xp.concat([option * (1 - happens), jumped], axis=1)
    rates = xp.stack(
        [
            principal_jump / xp.where(variance > 0, variance, xp.ones_like(variance)),
            squared_jump / dim,
            accept_prob,
        ],
        axis=1,
    )
    return shares._replace(
        rate=shares.rate + xp.sum(option[:, :, None] * rates[:, None, :], axis=0),
        cost=shares.cost + xp.sum(option, axis=0) * cost,
    )


def reweigh(
    shares: Shares,
    on_trial: Array,
    trajectory_floor: float | Array,
    jump_floor: float = JUMP_FLOOR,
    between: tuple[Array, Array] | None = None,
) -> Shares:
    """Turn the record into weights; without one the jumps, if on trial, begin with their share.

    `on_trial` is a scalar.
    `between` tells which jumps are made only if several modes are known, boolean [jump], and
    whether they are, a scalar.
    """
    kinds = shares.kinds.shape[0]
    xp = array_namespace(shares.kinds)
    tried = shares.cost > 0
    cost = xp.where(tried, shares.cost, xp.ones_like(shares.cost))
    together = xp.sum(shares.rate[:, :2], axis=0)
    together = xp.where(together > 0, together, xp.ones_like(together))
    # Of the two each counts as its rate^-NEED.
    need = 1 / (1 + (together / xp.flip(together)) ** NEED)
    worth = xp.sum(shares.rate[:, :2] / cost[:, None] * need, axis=1)
    worth = worth * xp.minimum(shares.rate[:, 2] / ACCEPTED, xp.ones_like(worth))
    is_jump = numbered(worth) >= kinds
    trial = xp.zeros_like(worth) + on_trial > 0
    among_kinds = _kinds_alone(worth, is_jump, kinds, trial)
    worth = xp.where(is_jump, HANDICAP * worth, worth)
    best = xp.max(worth)
    score = (worth / xp.where(best > 0, best, xp.ones_like(best))) ** SHARPNESS
    if kinds > 1:
        by_trajectories = xp.sum(xp.where(is_jump, xp.zeros_like(score), score))
        score = xp.where(is_jump, score, by_trajectories * among_kinds)
    known = xp.any(tried & is_jump)

    def full(value, later):
        return xp.where(trial, xp.zeros_like(worth) + value, xp.zeros_like(worth) + later)

    least = full(max(TRIAL_SHARE, jump_floor), jump_floor)
    if between is not None:
        which = xp.concat([xp.zeros_like(shares.kinds) > 0, between[0]])
        idle = which & ~between[1]
        least = xp.where(which, full(BETWEEN_TRIAL, BETWEEN_FLOOR), least)
        least = xp.where(idle, xp.zeros_like(worth), least)
        score = xp.where(idle, xp.zeros_like(score), score)
    weight = xp.where(known & (best > 0), score, among_kinds)
    weight = weight / xp.sum(weight)
    going = trajectory_floor
    if kinds > 1:
        going = xp.maximum(0 * worth[0] + trajectory_floor, 0 * worth[0] + TRAJECTORY_TRIAL)
    floor = xp.where(is_jump, least, full(going, trajectory_floor) * among_kinds)
    # What was never on trial has nothing to stand on.
    floor = xp.where(known | trial, floor, xp.zeros_like(floor))
    weight = floor + (1 - xp.sum(floor)) * weight
    return Shares(weight[:kinds], weight[kinds:], MEMORY * shares.rate, MEMORY * shares.cost)


def _kinds_alone(worth: Array, is_jump: Array, kinds: int, trial: Array) -> Array:
    """Weights of the kinds of trajectories among themselves, 0 for jumps, shape [option]."""
    xp = array_namespace(worth)
    none = xp.zeros_like(worth)
    if kinds == 1:
        return xp.where(is_jump, none, xp.ones_like(worth))
    worth = xp.where(is_jump, none, worth)
    best = xp.max(worth)
    score = (worth / xp.where(best > 0, best, xp.ones_like(best))) ** SHARPNESS
    score = xp.where(is_jump, none, xp.where(best > 0, score, xp.ones_like(score)))
    weight = score / xp.sum(score)
    tried = xp.where(is_jump, none, KIND_TRIAL + (1 - kinds * KIND_TRIAL) * weight)
    return xp.where(trial, tried, weight)
