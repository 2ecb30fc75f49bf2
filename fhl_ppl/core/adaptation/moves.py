"""Which moves to make: trajectories and jumps, mixed by what each is worth (section 8).

A move's worth is its expected squared jump per gradient, taken where it is needed: the jumps along
the direction in which the whitened posterior is widest count apart from the rest, and more, the
slower all moves together are there. Two distant modes are such a direction.
"""

from math import sqrt
from typing import Any, NamedTuple

from fhl_ppl.core.adaptation.trajectory import van_der_corput
from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.jump import JumpTuning, Pool
from fhl_ppl.core.jumps import JUMPS

Array = Any

TRIAL_SHARE = 0.03
"""Probability that each jump keeps in warm-up, so that its worth goes on being measured."""
JUMP_FLOOR = 0.005
"""The same when sampling: what looks useless may still be the one way to a mode."""
TRAJECTORY_FLOOR = 0.5
"""Probability that trajectories keep: a particle far out in a tail refuses every jump, they free
it."""
KIND_TRIAL = 0.1
"""Share of the trajectories that each kind of them keeps in warm-up."""
TRAJECTORY_TRIAL = 0.15
"""Probability that trajectories of several kinds keep in warm-up: each tunes a step of its own."""
HANDICAP = 0.4
"""Factor on the worth of a jump: where it is refused it is refused many times in a row."""
SHARPNESS = 8.0
"""Weights go as worth^SHARPNESS."""
TILT = 0.8
"""Probability of an approach for followers far above their leader. Below 1, since a leader in the
wrong place would hold them there; from .5 to .97 eight modes become four as fast (38 to 40
evaluations, twenty seeds)."""
NEED = 3.0
"""The two kinds of direction count as (rate of all moves together)^-NEED."""
MEMORY = 0.5
"""Share of the record kept when the metric changes, and with it the unit of the jumps."""
_GOLDEN = (sqrt(5) - 1) / 2
_PERIOD = 4181
"""A Fibonacci number: after so many iterations the multiples return to where they were but for
1e-4. Single precision has no digits left for those of a number in the millions. It is odd, so that
the jitter and the turns, which go by powers of two, do not repeat with it."""


class Moves(NamedTuple):
    """Options and what they have achieved: the kinds of trajectories, most often one, then `JUMPS`.

    Attributes
    ----------
    weight
        Probability of each option, shape [option].
    rate
        Sums of the expected squared jumps along the widest direction, and of the mean square along
        all; in units of the variance there, shape [option, 2].
    cost
        Gradients that the option took, or what they cost, shape [option].
    """

    weight: Array
    rate: Array
    cost: Array


def start(like: Array, kinds: int = 1) -> Moves:
    """Begin with trajectories alone, of all `kinds`: there is nothing yet to jump by."""
    xp = array_namespace(like)
    zero = xp.stack([0 * like] * (kinds + len(JUMPS)))
    weight = xp.stack([0 * like + 1 / kinds] * kinds + [0 * like] * len(JUMPS))
    return Moves(weight, xp.stack([zero, zero], axis=1), zero)


def count_kinds(moves: Moves) -> int:
    """How many kinds of trajectories there are."""
    return moves.weight.shape[0] - len(JUMPS)


def trajectory_share(moves: Moves) -> Array:
    """Probability of a trajectory of any kind, a scalar."""
    return array_namespace(moves.weight).sum(moves.weight[: count_kinds(moves)])


def kind_at(moves: Moves, iteration: Array) -> Array:
    """Which kind of trajectory iteration number `iteration` makes, one-hot, shape [..., kind].

    The last in an iteration of jumps.
    """
    xp = array_namespace(moves.weight)
    weight = moves.weight[: count_kinds(moves)]
    # Below the bounds of its own and of all later kinds, but of no earlier one.
    below = _place(moves, iteration)[..., None] < xp.cumulative_sum(weight)[:-1]
    later = xp.concat([below, xp.ones_like(below[..., :1], dtype=xp.bool)], axis=-1)
    earlier = xp.concat([xp.zeros_like(later[..., :1]), later[..., :-1]], axis=-1)
    return later & ~earlier


def _place(moves: Moves, iteration: Array) -> Array:
    xp = array_namespace(moves.weight)
    place = (iteration % _PERIOD + xp.zeros_like(moves.weight[0])) * _GOLDEN
    return place - xp.floor(place)


def jumps_at(moves: Moves, iteration: Array) -> Array:
    """Whether iteration number `iteration` is one of jumps: 0 or 1, an array if `iteration` is.

    Multiples of the golden section spread them evenly and look at nothing.
    """
    return 1 * (_place(moves, iteration) >= trajectory_share(moves))


def turn_at(moves: Moves, iteration: Array) -> Array:
    """How far to turn in iteration number `iteration`, in [0, 1); an array if `iteration` is."""
    return van_der_corput(iteration, moves.weight[0])


def choose(moves: Moves, uniform: Array) -> Array:
    """Pick a jump for every uniform number: one-hot, [particle] to [particle, jump]."""
    xp = array_namespace(uniform)
    upper = xp.cumulative_sum(moves.weight[count_kinds(moves) :])
    total = xp.where(upper[-1] > 0, upper[-1], xp.ones_like(upper[-1]))
    passed = xp.sum(xp.astype(uniform[:, None] >= upper / total, upper.dtype), axis=1)
    # Rounding may leave the last sum below 1.
    picked = xp.minimum(passed, xp.full_like(passed, len(JUMPS) - 1))
    return picked[:, None] == xp.cumulative_sum(xp.ones_like(upper)) - 1


def choose_far(moves: Moves, uniform: Array) -> Array:
    """Pick for followers far above their leader: an approach, but for a share of 1 - `TILT`."""
    xp = array_namespace(uniform)
    rest = choose(moves, uniform / (1 - TILT))
    return xp.where(uniform[:, None] < 1 - TILT, rest, _is_approach(rest[0, :]))


def log_tilt(moves: Moves) -> Array:
    """log of the probability of each jump in `choose_far` over that in `choose`, shape [jump]."""
    xp = array_namespace(moves.weight)
    weight = moves.weight[count_kinds(moves) :]
    possible = weight > 0
    # Jumps over approaches; what is not to be divided by is replaced.
    rarity = xp.sum(weight) / xp.where(possible, weight, xp.ones_like(weight))
    favoured = xp.where(possible, 1 - TILT + TILT * rarity, xp.inf)
    return xp.log(xp.where(_is_approach(weight), favoured, xp.full_like(weight, 1 - TILT)))


def _is_approach(options: Array) -> Array:
    """Which of the jumps is an approach, boolean; `options` has shape [jump]."""
    xp = array_namespace(options)
    return xp.cumulative_sum(xp.ones_like(options, dtype=xp.int8)) - 1 == JUMPS.index("approach")


def tune_jump(moves: Moves, pool: Pool, iteration: Array, uniform: Array) -> JumpTuning:
    """Settle the jumps of one iteration, with uniform numbers [particle]."""
    return JumpTuning(
        jumps_at(moves, iteration),
        choose(moves, uniform),
        choose_far(moves, uniform),
        log_tilt(moves),
        turn_at(moves, iteration),
        pool,
    )


def record(
    moves: Moves,
    tuning: JumpTuning | None,
    squared_jump: Array,
    principal_jump: Array,
    variance: Array,
    cost: Array,
    dim: int,
    kind: Array | None = None,
) -> Moves:
    """Add the jumps [particle] of one iteration at a `cost`, scalar, for each particle.

    `tuning` is None where there are no jumps, `kind` is that of the trajectory (`kind_at`) if
    there are several, and `variance` that of the widest direction.
    """
    xp = array_namespace(squared_jump)
    # An integer among the factors would make double precision of single precision in NumPy.
    stayed = xp.ones_like(squared_jump[:, None])
    if kind is not None:
        stayed = stayed * xp.astype(kind, squared_jump.dtype)
    if tuning is None:
        jumped = squared_jump[:, None] * xp.zeros_like(moves.cost[None, -len(JUMPS) :])
    else:
        happens = xp.astype(tuning.happens, squared_jump.dtype)
        jumped = xp.astype(tuning.chosen, squared_jump.dtype) * happens
        stayed = stayed * (1 - happens)
    option = xp.concat([stayed, jumped], axis=1)
    rates = xp.stack(
        [
            principal_jump / xp.where(variance > 0, variance, xp.ones_like(variance)),
            squared_jump / dim,
        ],
        axis=1,
    )
    return Moves(
        moves.weight,
        moves.rate + xp.matrix_transpose(option) @ rates,
        moves.cost + xp.sum(option, axis=0) * cost,
    )


def reweigh(
    moves: Moves,
    on_trial: Array,
    trajectory_floor: float,
    jump_floor: float = JUMP_FLOOR,
    jumps: bool = True,
) -> Moves:
    """Turn the record into weights; without one the jumps, if on trial, begin with their share.

    `on_trial` is a boolean scalar. Without `jumps` they get none, and the trajectories are weighed
    among themselves.
    """
    xp = array_namespace(moves.weight)
    tried = moves.cost > 0
    rate = moves.rate / xp.where(tried, moves.cost, xp.ones_like(moves.cost))[:, None]
    together = xp.sum(moves.cost[:, None] * rate, axis=0)
    together = xp.where(together > 0, together, xp.ones_like(together))
    need = (xp.min(together) / together) ** NEED
    worth = xp.sum(rate * (need / xp.sum(need)), axis=1)
    kinds = count_kinds(moves)
    is_jump = xp.cumulative_sum(xp.ones_like(worth)) > kinds
    among_kinds = _kinds_alone(worth, is_jump, kinds, on_trial)
    worth = xp.where(is_jump, HANDICAP * worth, worth)
    best = xp.max(worth)
    score = (worth / xp.where(best > 0, best, xp.ones_like(best))) ** SHARPNESS
    by_trajectories = xp.sum(xp.where(is_jump, xp.zeros_like(score), score))
    score = xp.where(is_jump, score, by_trajectories * among_kinds)
    known = xp.any(tried & is_jump)
    weight = xp.where(known & (best > 0), score, among_kinds)
    weight = weight / xp.sum(weight)
    kept, tested = (jump_floor, max(TRIAL_SHARE, jump_floor)) if jumps else (0.0, 0.0)
    going = max(trajectory_floor, TRAJECTORY_TRIAL) if kinds > 1 else trajectory_floor
    full = xp.ones_like(worth)
    share = xp.where(on_trial, tested * full, kept * full)
    floor = xp.where(on_trial, going * full, trajectory_floor * full) * among_kinds
    floor = xp.where(is_jump, share, floor)
    # What was never on trial has nothing to stand on.
    floor = xp.where(on_trial | known, floor, xp.zeros_like(floor))
    weight = floor + (1 - xp.sum(floor)) * weight
    return Moves(weight, MEMORY * moves.rate, MEMORY * moves.cost)


def _kinds_alone(worth: Array, is_jump: Array, kinds: int, on_trial: Array) -> Array:
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
    return xp.where(on_trial, tried, weight)
