"""Turn after turn, as long as a search may find more (section 10, search).

Where there is one valley, a second turn begins where something was seen along an axis, and that is
all. Where there are several, it is looked for more: at fourth corners of three, where there are
none of these along the axes of what was found, and from places at random.
"""

from math import inf, isinf
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, numbered
from fhl_ppl.core.mixture import in_use
from fhl_ppl.core.search.ahead import Ahead, both, no_look
from fhl_ppl.core.search.corners import LOOK, corners
from fhl_ppl.core.search.ends import DRAWS, Ends
from fhl_ppl.core.search.finds import finds_of, modes_of
from fhl_ppl.core.search.lines import beyond, cost_of
from fhl_ppl.core.search.turn import Begin, Turn

Array = Any

ALONG = 0.2
"""Share of the evaluations so far below which it is looked ahead once more, where looks that led to
a new valley do not count. Of six hills that lie on no axes of one another each look is in
vain, and with .3 places at random were too few in 3 of 48 searches, with .2 in 2."""
AT_ONCE = 4
"""How often along axes in a turn."""


class Known(NamedTuple):
    """What all turns so far have led to.

    Attributes
    ----------
    ends
        Of all descents.
    spent
        Evaluations, a scalar.
    in_vain
        How many of these were to look ahead and led to no new valley, a scalar.
    looks
        How often it was looked along axes from each valley, shape [place].
    """

    ends: Ends
    spent: Array
    in_vain: Array
    looks: Array


def all_turns(turn: Turn, places: Array, radius: float) -> Known:
    """All that turns from `places`, [place, dim], lead to; those at random are up to `radius`."""
    xp = array_namespace(places)
    first, everywhere = places[: turn.size, :], places[: turn.size, 0] < inf
    ends, spent = turn(0, Begin(first, everywhere, everywhere))
    known = Known(ends, spent, 0 * spent, xp.zeros_like(ends.lowest))

    def one_more(number: Any, known: Known) -> Known:
        at_random = xp.take(places, turn.rows_of(number), axis=0)
        ahead, known = _seen_ahead(turn, number, known, at_random / radius)
        cost = ahead.evaluations
        position = xp.where(ahead.exists[:, None], ahead.places, at_random)
        begin = Begin(position, _may_begin(turn, known, ahead), ~ahead.exists)

        def descended(known: Known) -> Known:
            ends, of_descents = turn(number, begin, known.ends)
            pays = _number_seen_ahead(ends) > _number_seen_ahead(known.ends)
            in_vain = xp.where(pays, known.in_vain - cost, known.in_vain)
            return Known(ends, known.spent + of_descents, in_vain, known.looks)

        return turn.control.cond(xp.any(begin.is_asked), descended, lambda known: known, known)

    return turn.control.fori_loop(1, turn.bounds.turns, one_more, known)


def is_several(ends: Ends) -> Array:
    """Whether there are finds in more than one valley, whatever these weigh.

    One that is no Gaussian may weigh a thousand times more than its find: of wrapping phases .03.
    """
    known = in_use(modes_of(ends, finds_of(ends)).log_weight)
    return array_namespace(known).sum(known * 1) > 1


def _number_seen_ahead(ends: Ends) -> Array:
    """How many valleys were first come to from where something was seen ahead."""
    xp = array_namespace(ends.valley)
    is_first = ends.has_arrived & (ends.valley == numbered(ends.valley))
    return xp.sum(xp.astype(is_first & ~xp.isfinite(ends.begun), xp.int32))


def _seen_ahead(turn: Turn, number: Any, known: Known, shake: Array) -> tuple[Ahead, Known]:
    """Where to begin, and what is known when that was paid for."""
    xp, control = array_namespace(shake), turn.control

    def at_corners(nothing: Ahead) -> Ahead:
        return corners(turn.target, known.ends, turn.size * (number - 1), shake, control)

    is_due = _may_look(turn, known, LOOK)
    ahead = control.cond(is_due, at_corners, lambda nothing: nothing, no_look(shake))

    def along_axes(value: tuple[Ahead, Known]) -> tuple[Ahead, Known]:
        seen, known = _along_axes(turn, number, value[1], shake)
        return both(value[0], seen), known

    value = ahead, _paid(known, ahead)
    return control.cond(xp.any(ahead.exists), lambda value: value, along_axes, value)


def _along_axes(turn: Turn, number: Any, known: Known, shake: Array) -> tuple[Ahead, Known]:
    """What is seen along axes: always looked for in the second turn, and then for its share."""
    size, bounds, control = turn.size, turn.bounds, turn.control
    cost, nothing = cost_of(shake.shape[1], size), (no_look(shake), known)
    if 3 * cost > 2 * bounds.most * size:
        return nothing

    def once_more(time: Any, value: tuple[Ahead, Known]) -> tuple[Ahead, Known]:
        def look(value: tuple[Ahead, Known]) -> tuple[Ahead, Known]:
            ahead, known = value
            seen, looks = beyond(turn.target, known.ends, known.looks, shake, control)
            return both(ahead, seen), _paid(known, seen)._replace(looks=looks)

        is_due = _may_look(turn, value[1], cost) | ((number == 1) & (time == 0))
        return control.cond(is_due, look, lambda value: value, value)

    return control.fori_loop(0, AT_ONCE, once_more, nothing)


def _may_look(turn: Turn, known: Known, cost: int) -> Array:
    """Whether it may be looked ahead once more."""
    is_within = known.spent + cost < turn.bounds.enough
    return is_within & (known.in_vain < ALONG * known.spent)


def _paid(known: Known, seen: Ahead) -> Known:
    """With what a look took, which is in vain as long as it has led to nothing."""
    cost = seen.evaluations
    return known._replace(spent=known.spent + cost, in_vain=known.in_vain + cost)


def _may_begin(turn: Turn, known: Known, ahead: Ahead) -> Array:
    """Which descents are made, [row], if each costs what others did: from what was seen ahead.

    And from places at random where there are several valleys. All, if it may cost what it will.
    """
    xp, enough = array_namespace(known.spent), turn.bounds.enough
    begun = xp.sum(xp.astype(xp.isfinite(known.ends.lowest), known.spent.dtype))
    each = (known.spent - known.in_vain) / xp.where(begun > 0, begun, xp.ones_like(begun))
    # Of who begins where something was seen it is looked how wide the minimum is.
    looks = (DRAWS + ahead.places.shape[1]) * xp.astype(ahead.exists, each.dtype)
    within = known.spent + xp.cumulative_sum(each + looks) < enough
    return ((ahead.exists | is_several(known.ends)) & within) | isinf(enough)
