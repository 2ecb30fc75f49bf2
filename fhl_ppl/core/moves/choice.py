"""Which move is made when, from shares that are frozen in sampling (section 8).

Nothing here looks at a state. Multiples of the golden section spread the iterations of jumps
evenly, a van der Corput sequence the angles, and each particle has a uniform number of its own for
the kind of jump. Only followers far above their leader choose by another law, for which their test
is tilted (`Choice.log_tilt`).
"""

from math import sqrt
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, numbered
from fhl_ppl.core.homes import Homes
from fhl_ppl.core.moves.move import FittedGaussian
from fhl_ppl.core.sequences import van_der_corput

Array = Any

TILT = 0.8
"""Probability of an approach for followers far above their leader. Below 1, since a leader in the
wrong place would hold them there; from .5 to .97 eight modes become four as fast (38 to 40
evaluations, twenty seeds)."""
_GOLDEN = (sqrt(5) - 1) / 2
_PERIOD = 4181
"""A Fibonacci number: after so many iterations the multiples return to where they were but for
1e-4. Single precision has no digits left for those of a number in the millions. It is odd, so that
the jitter and the turns, which go by powers of two, do not repeat with it."""


class Choice(NamedTuple):
    """What settles the jumps of an iteration; none of it may depend on the current state.

    Attributes
    ----------
    happens
        1 in an iteration of jumps, 0 in one of trajectories.
    chosen
        One-hot in the order of the moves on offer, shape [particle, jump].
    chosen_far
        The same for followers far above their leader (`moves.approach.is_far`).
    log_tilt
        log of the probability of each jump far above the leader, over that near it, shape [jump].
    turn
        In [0, 1): how far to rotate, a scalar.
    fitted
        What to turn about.
    homes
        The modes that are known; None if nobody keeps them.
    """

    happens: Array
    chosen: Array
    chosen_far: Array
    log_tilt: Array
    turn: Array
    fitted: FittedGaussian
    homes: Homes | None = None


def choose_jumps(
    names: tuple[str, ...],
    kinds: Array,
    jumps: Array,
    fitted: FittedGaussian,
    iteration: Array,
    uniform: Array,
    homes: Homes | None = None,
) -> Choice:
    """Settle the jumps of iteration number `iteration`.

    Parameters
    ----------
    names
        The jumps on offer.
    kinds, jumps
        Probabilities of the kinds of trajectories, [kind], and of the jumps, [jump].
    fitted
        What they are made from.
    iteration
        A scalar.
    uniform
        Shape [particle].
    homes
        The modes that are known.
    """
    return Choice(
        jumps_at(kinds, iteration),
        choose(jumps, uniform),
        choose_far(names, jumps, uniform),
        log_tilt(names, jumps),
        turn_at(jumps, iteration),
        fitted,
        homes,
    )


def kind_at(kinds: Array, iteration: Array) -> Array:
    """Which kind of trajectory iteration number `iteration` makes, one-hot, shape [..., kind].

    The last in an iteration of jumps.
    """
    xp = array_namespace(kinds)
    # Below the bounds of its own and of all later kinds, but of no earlier one.
    below = _place(kinds, iteration)[..., None] < xp.cumulative_sum(kinds)[:-1]
    later = xp.concat([below, xp.ones_like(below[..., :1], dtype=xp.bool)], axis=-1)
    earlier = xp.concat([xp.zeros_like(later[..., :1]), later[..., :-1]], axis=-1)
    return later & ~earlier


def jumps_at(kinds: Array, iteration: Array) -> Array:
    """Whether iteration number `iteration` is one of jumps: 0 or 1, an array if `iteration` is."""
    return 1 * (_place(kinds, iteration) >= array_namespace(kinds).sum(kinds))


def turn_at(like: Array, iteration: Array) -> Array:
    """How far to turn in iteration number `iteration`, in [0, 1); an array if `iteration` is."""
    return van_der_corput(iteration, like[0])


def choose(jumps: Array, uniform: Array) -> Array:
    """Pick a jump for every uniform number: one-hot, [particle] to [particle, jump]."""
    xp = array_namespace(uniform)
    upper = xp.cumulative_sum(jumps)
    total = xp.where(upper[-1] > 0, upper[-1], xp.ones_like(upper[-1]))
    passed = xp.sum(xp.astype(uniform[:, None] >= upper / total, upper.dtype), axis=1)
    # Rounding may leave the last sum below 1.
    picked = xp.minimum(passed, xp.full_like(passed, jumps.shape[0] - 1))
    return picked[:, None] == numbered(upper)


def choose_far(names: tuple[str, ...], jumps: Array, uniform: Array) -> Array:
    """Pick for followers far above their leader: an approach, but for a share of 1 - `TILT`.

    Where there are no approaches on offer it is `choose`.
    """
    if "approach" not in names:
        return choose(jumps, uniform)
    xp = array_namespace(uniform)
    rest = choose(jumps, uniform / (1 - TILT))
    return xp.where(uniform[:, None] < 1 - TILT, rest, is_named("approach", names, jumps))


def log_tilt(names: tuple[str, ...], jumps: Array) -> Array:
    """log of the probability of each jump in `choose_far` over that in `choose`, shape [jump]."""
    xp = array_namespace(jumps)
    if "approach" not in names:
        return xp.zeros_like(jumps)
    possible = jumps > 0
    # Jumps over approaches; what is not to be divided by is replaced.
    rarity = xp.sum(jumps) / xp.where(possible, jumps, xp.ones_like(jumps))
    favoured = xp.where(possible, 1 - TILT + TILT * rarity, xp.inf)
    is_approach = is_named("approach", names, jumps)
    return xp.log(xp.where(is_approach, favoured, xp.full_like(jumps, 1 - TILT)))


def is_named(name: str, names: tuple[str, ...], like: Array) -> Array:
    """Which of the jumps is called `name`, boolean; `like` has shape [jump]."""
    return numbered(like) == names.index(name)


def _place(kinds: Array, iteration: Array) -> Array:
    xp = array_namespace(kinds)
    place = (iteration % _PERIOD + xp.zeros_like(kinds[0])) * _GOLDEN
    return place - xp.floor(place)
