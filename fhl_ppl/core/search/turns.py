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
from fhl_ppl.core.search.lines import Beyond, beyond, cost_of, no_look
from fhl_ppl.core.search.turn import Turn, rows_of

Array = Any

ALONG = 0.3
"""Share of the evaluations so far below which it is looked along axes once more."""


class Known(NamedTuple):
    """What all turns so far have led to.

    Attributes
    ----------
    ends
        Of all descents.
    spent
        Evaluations, a scalar.
    along
        How many of these were along axes, a scalar.
    looks
        How often it was looked along axes from each valley, shape [place].
    """

    ends: Ends
    spent: Array
    along: Array
    looks: Array


def all_turns(turn: Turn, radius: float) -> Known:
    """All that turns lead to, whose places at random are up to `radius` from 0."""
    ends, spent = turn(0)
    begun = Known(ends, spent, 0 * spent, array_namespace(spent).zeros_like(ends.lowest))

    def one_more(number: Any, known: Known) -> Known:
        ahead = _seen_ahead(turn, number, known, radius)
        cost = ahead.evaluations
        known = Known(known.ends, known.spent + cost, known.along + cost, ahead.looks)

        def descended(known: Known) -> Known:
            return _descended(turn, number, known, ahead)

        goes_on = _goes_on(turn, number, known, ahead)
        return turn.control.cond(goes_on, descended, lambda known: known, known)

    return turn.control.fori_loop(1, turn.bounds.turns, one_more, begun)


def is_several(ends: Ends) -> Array:
    """Whether there are finds in more than one valley, whatever these weigh.

    One that is no Gaussian may weigh a thousand times more than its find: of wrapping phases .03.
    """
    known = in_use(modes_of(ends, finds_of(ends)).log_weight)
    return array_namespace(known).sum(known * 1) > 1


def _seen_ahead(turn: Turn, number: Any, known: Known, radius: float) -> Beyond:
    """Where to begin along axes: always looked for in the second turn, and then for its share."""
    places, size, bounds, control = turn.places, turn.size, turn.bounds, turn.control
    xp = array_namespace(places)
    rows = xp.astype(numbered(places[:size, 0]) + size * number, xp.int32)
    shake = xp.take(places, rows, axis=0) / radius
    nothing, cost = no_look(known.ends, known.looks, shake), cost_of(places.shape[1], size)
    if 3 * cost > 2 * bounds.most * size:
        return nothing
    within = known.spent + cost < bounds.enough
    due = (number == 1) | (within & (known.along < ALONG * known.spent))

    def look(nothing: Beyond) -> Beyond:
        return beyond(turn.target, known.ends, nothing.looks, shake, control)

    return control.cond(due, look, lambda nothing: nothing, nothing)


def _goes_on(turn: Turn, number: Any, known: Known, ahead: Beyond) -> Array:
    """Whether there is more to be expected, and it may cost what a turn did so far."""
    xp, enough = array_namespace(known.spent), turn.bounds.enough
    within = (number == 1) & xp.any(ahead.exists)
    within = within | (known.spent * (number + 1) / number < enough)
    return (within & (is_several(known.ends) | xp.any(ahead.exists))) | isinf(enough)


def _descended(turn: Turn, number: Any, known: Known, ahead: Beyond) -> Known:
    """With a turn more, from what was seen ahead and from places at random."""
    places = turn.places
    xp = array_namespace(places)
    here, row = rows_of(places, number, turn.size)
    is_ahead = here & xp.take(ahead.exists, row)
    others = xp.where(is_ahead[:, None], xp.take(ahead.places, row, axis=0), places)
    ends, cost = turn._replace(places=others)(number, known.ends)
    # What was begun where something was seen tells nothing of where places at random lead.
    begun = xp.where(is_ahead, xp.full_like(ends.begun, inf), ends.begun)
    return known._replace(ends=ends._replace(begun=begun), spent=known.spent + cost)
