"""Turn after turn, as long as a search may find more (section 10, search).

Where there is one valley, a second turn begins where something was seen along an axis, and that is
all. Where there are several, it is looked for more from places at random, and along the axes of
what was found.
"""

from math import inf, isinf
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, numbered
from fhl_ppl.core.mixture import in_use
from fhl_ppl.core.search.ends import Ends
from fhl_ppl.core.search.finds import finds_of, modes_of
from fhl_ppl.core.search.lines import Beyond, beyond, both, cost_of, no_look
from fhl_ppl.core.search.turn import Begin, Turn

Array = Any

ALONG = 0.2
"""Share of the evaluations so far below which it is looked along axes once more, where looks that
led to a new valley do not count. Of six hills that lie on no axes of one another each look is in
vain, and with .3 places at random were too few in 3 of 48 searches, with .2 in 2."""
AT_ONCE = 4
"""How often in a turn."""


class Known(NamedTuple):
    """What all turns so far have led to.

    Attributes
    ----------
    ends
        Of all descents.
    spent
        Evaluations, a scalar.
    in_vain
        How many of these were along axes and led to no new valley, a scalar.
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
        ahead = _seen_ahead(turn, number, known, at_random / radius)
        cost = ahead.evaluations
        known = Known(known.ends, known.spent + cost, known.in_vain + cost, ahead.looks)
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
    """How many valleys were first come to from where something was seen along an axis."""
    xp = array_namespace(ends.valley)
    is_first = ends.has_arrived & (ends.valley == numbered(ends.valley))
    return xp.sum(xp.astype(is_first & ~xp.isfinite(ends.begun), xp.int32))


def _seen_ahead(turn: Turn, number: Any, known: Known, shake: Array) -> Beyond:
    """Where to begin along axes: always looked for in the second turn, and then for its share."""
    size, bounds, control = turn.size, turn.bounds, turn.control
    nothing, cost = no_look(known.ends, known.looks, shake), cost_of(shake.shape[1], size)
    if 3 * cost > 2 * bounds.most * size:
        return nothing

    def once_more(time: Any, ahead: Beyond) -> Beyond:
        spent, in_vain = (so_far + ahead.evaluations for so_far in (known.spent, known.in_vain))
        due = (spent + cost < bounds.enough) & (in_vain < ALONG * spent)

        def look(ahead: Beyond) -> Beyond:
            seen = beyond(turn.target, known.ends, ahead.looks, shake, control)
            return both(ahead, seen)

        is_first = (number == 1) & (time == 0)
        return control.cond(due | is_first, look, lambda ahead: ahead, ahead)

    return control.fori_loop(0, AT_ONCE, once_more, nothing)


def _may_begin(turn: Turn, known: Known, ahead: Beyond) -> Array:
    """Which descents are made, [row], if each costs what others did: from what was seen ahead.

    And from places at random where there are several valleys. All, if it may cost what it will.
    """
    xp, enough = array_namespace(known.spent), turn.bounds.enough
    begun = xp.sum(xp.astype(xp.isfinite(known.ends.lowest), known.spent.dtype))
    each = (known.spent - known.in_vain) / xp.where(begun > 0, begun, xp.ones_like(begun))
    within = known.spent + each * (1 + numbered(ahead.places[:, 0])) < enough
    return ((ahead.exists | is_several(known.ends)) & within) | isinf(enough)
