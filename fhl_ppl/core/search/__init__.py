"""Where to start: minima that descents from many places have found (section 10, search).

Particles that start in one valley see no other, and what leads them is the first of them that is
low. So before warm-up more places than there are particles are descended from. A minimum is a find
if the Gaussian around it is about what the target is there; what it weighs is told by a few draws
of that Gaussian. Where there are finds in several valleys it is looked for more, and warm-up begins
with an archive of all.
"""

from math import ceil, inf, isinf, log
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, numbered
from fhl_ppl.core.control import Control
from fhl_ppl.core.mixture import UNUSED, Mixture, in_use
from fhl_ppl.core.search.around import SCALES, around
from fhl_ppl.core.search.descent import descend
from fhl_ppl.core.search.ends import (
    DRAWS,
    Ends,
    ends_of,
    is_steep,
    no_ends,
    sharpened,
    with_draws,
)
from fhl_ppl.core.search.finds import (
    finds_of,
    has_gaussian,
    is_beside,
    modes_of,
    number_missed,
    valleys_of,
)
from fhl_ppl.core.search.lines import Beyond, beyond, cost_of, no_look
from fhl_ppl.core.search.starts import starts_of
from fhl_ppl.core.target import Target

Array = Any

PLACES = 8
"""Descents of a turn, if particles are not more. Of a mode that a quarter of them lead to, one in
ten searches misses it."""
CROWD = 64
"""Of more particles each is left where it is: they see what a search would."""
TURNS = 16
"""At the most, and one where there is one valley, if no number of places is asked for."""
SHARE = 0.2
"""Of a gradient of each particle in each iteration of the warm-up, what descents of a turn may
cost. Where there are several valleys, all turns may cost"""
MORE = 2
"""times as much: a fifth of a warm-up of two gradients each."""
MOST = 100
"""Evaluations of a descent at the most. Lotka-Volterra's take 50 to 90."""
ALONG = 0.3
"""Share of the evaluations so far below which it is looked along axes once more."""
LEAST = 16
"""With fewer none arrives, and none is begun."""


class Found(NamedTuple):
    """What a search has found.

    Attributes
    ----------
    starts
        Where to start, shape [particle, dim]; where particles would have, if nothing was found.
    evaluations
        How often energy and gradient were evaluated, a scalar.
    modes
        The finds, one of each valley, and what is around one, [place], with log masses in place of
        log weights; none in use where there is one valley and nothing beside it.
    missed
        How many valleys of some mass no descent has led to, at the least, by how often they led to
        the others, a scalar; 0 where there is one.
    """

    starts: Array
    evaluations: Array
    modes: Mixture
    missed: Array


def places_of(num_particles: int) -> int:
    """How many places are descended from in a turn."""
    return max(PLACES, num_particles)


class Bounds(NamedTuple):
    """Of a search.

    Attributes
    ----------
    most
        Evaluations that a descent may take.
    turns
        Descents from `places_of` the particles that may be made.
    enough
        Evaluations in all that no turn shall exceed; inf if all turns are to be made.
    """

    most: int
    turns: int
    enough: float


def bounds_of(num_warmup: int, num_particles: int, places: int | None = None) -> Bounds | None:
    """How far to look, if at all; with a number of `places`, from so many or some more.

    >>> bounds_of(1000, 4), bounds_of(300, 4), bounds_of(50, 4)
    (Bounds(most=100, turns=16, enough=1600), Bounds(most=30, turns=16, enough=480), None)
    >>> bounds_of(300, 4, places=100)
    Bounds(most=100, turns=13, enough=inf)
    """
    size = places_of(num_particles)
    if places is not None:
        return Bounds(MOST, ceil(places / size), inf) if num_warmup else None
    most = min(MOST, int(SHARE * num_warmup * num_particles / size))
    if most < LEAST or num_particles > CROWD:
        return None
    return Bounds(most, TURNS, MORE * most * size)


def search(
    target: Target,
    position: Array,
    radius: float,
    noise: Array,
    uniform: Array,
    bounds: Bounds,
    control: Control,
) -> Found:
    """Find better starts for particles.

    Parameters
    ----------
    target
        What is descended.
    position
        Where particles would start, shape [particle, dim].
    radius
        How far from 0 other places may be, in each dimension.
    noise
        Standard normal, shape [DRAWS, place, dim], of as many places as `places_of` says for each
        turn that there may be.
    uniform
        In (0, 1), shape [place, dim + DRAWS].
    bounds
        How far to look.
    control
        Loops.
    """
    xp = array_namespace(position)
    num_particles, dim = position.shape
    size = places_of(num_particles)
    elsewhere = radius * (2 * uniform[num_particles:, :dim] - 1)
    places = xp.concat([position, elsewhere], axis=0)
    look = _Turn(target, places, noise, bounds, size, control)
    ends, spent = look(0)
    number = cost_of(dim, size)
    can_look = bounds.turns > 1 and number <= bounds.most * size // 2

    def look_more(turn: Any, value: _Known) -> _Known:
        here, row = _rows(places, turn, size)
        rows = xp.astype(numbered(uniform[:size, 0]) + size * turn, xp.int32)
        shake = xp.take(places, rows, axis=0) / radius
        nothing = no_look(value.ends, value.looks, shake)

        def along(nothing: Beyond) -> Beyond:
            return beyond(target, value.ends, nothing.looks, shake, control)

        ahead = nothing
        if can_look:
            within = value.spent + number < bounds.enough
            due = (turn == 1) | (within & (value.along < ALONG * value.spent))
            ahead = control.cond(due, along, lambda nothing: nothing, nothing)
        is_ahead = here & xp.take(ahead.exists, row)
        cost, looks = ahead.evaluations, ahead.looks
        value = value._replace(spent=value.spent + cost, along=value.along + cost, looks=looks)

        def again(value: _Known) -> _Known:
            others = xp.where(is_ahead[:, None], xp.take(ahead.places, row, axis=0), places)
            ends, cost = look._replace(places=others)(turn, value.ends)
            # What was begun where something was seen tells nothing of where places at random lead.
            begun = xp.where(is_ahead, xp.full_like(ends.begun, inf), ends.begun)
            return value._replace(ends=ends._replace(begun=begun), spent=value.spent + cost)

        # The next will cost about what one did so far.
        within = (turn == 1) & xp.any(ahead.exists)
        within = within | (value.spent * (turn + 1) / turn < bounds.enough)
        goes_on = within & (_is_several(value.ends) | xp.any(ahead.exists))
        return control.cond(goes_on | isinf(bounds.enough), again, lambda value: value, value)

    begun = _Known(ends, spent, 0 * spent, xp.zeros_like(ends.lowest))
    ends, evaluations, *_ = control.fori_loop(1, bounds.turns, look_more, begun)
    finds, is_several = finds_of(ends), _is_several(ends)
    modes, missed = modes_of(ends, finds), number_missed(ends, finds)
    wide = around(target, modes, ends.lowest, noise[0, :size, :], control)
    beside = is_beside(modes, wide, ends, places, dim * log(2 * radius))
    has_find = xp.any(in_use(modes.log_weight))
    evaluations = evaluations + xp.where(has_find, len(SCALES) * size, 0)
    starts = starts_of(ends, finds, position, uniform[:, dim:], control)
    known = modes._replace(log_weight=xp.where(is_several | beside, modes.log_weight, UNUSED))
    # Beside several, what is around one may be another that is no Gaussian.
    is_wide = beside & ~is_several
    wide = wide._replace(log_weight=xp.where(is_wide, wide.log_weight, UNUSED))
    return Found(
        # Who began in a spike would not leave it, and never see what lies about it.
        xp.where(beside & ~is_several, position, starts),
        evaluations,
        Mixture(*(xp.concat(parts, axis=0) for parts in zip(known, wide, strict=True))),
        xp.where(is_several, missed, 0 * missed),
    )


def _is_several(ends: Ends) -> Array:
    """Whether there are finds in more than one valley, whatever these weigh.

    One that is no Gaussian may weigh a thousand times more than its find: of wrapping phases .03.
    """
    known = in_use(modes_of(ends, finds_of(ends)).log_weight)
    return array_namespace(known).sum(known * 1) > 1


class _Known(NamedTuple):
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


class _Turn(NamedTuple):
    """Descents from some of the places, and all that is known with them."""

    target: Target
    places: Array
    noise: Array
    bounds: Bounds
    size: int
    control: Control

    def __call__(self, turn: Any, known: Ends | None = None) -> tuple[Ends, Array]:
        """What is known with it, and evaluations."""
        xp = array_namespace(self.places)
        rows = xp.astype(numbered(self.noise[0, : self.size, 0]) + self.size * turn, xp.int32)
        begun = xp.take(self.places, rows, axis=0)
        descent = descend(self.target, begun, self.bounds.most, self.control)
        ends = ends_of(descent)
        is_first = known is None
        known = self._put(turn, ends, known or no_ends(ends, self.bounds.turns))
        valley, asked = valleys_of(self.target, known, ends, self.size * turn, self.control)
        ends = ends._replace(valley=valley)
        # Of all ends of the first turn: particles may start at draws.
        wanted = (ends.has_arrived & ~has_gaussian(known, valley)) | is_first

        noise = xp.take(self.noise, rows, axis=1)

        def draw(ends: Ends) -> Ends:
            return with_draws(self.target, ends, noise, wanted, self.control)

        ends = self.control.cond(xp.any(wanted), draw, lambda ends: ends, ends)
        # One of each valley.
        steep = wanted & is_steep(ends) & (valley == self.size * turn + numbered(valley))

        def sharpen(ends: Ends) -> Ends:
            return sharpened(self.target, ends, noise, steep, self.control)

        ends = self.control.cond(xp.any(steep), sharpen, lambda ends: ends, ends)
        draws = DRAWS * wanted + (DRAWS + ends.centre.shape[1]) * steep
        cost = xp.sum(descent.evaluations + draws) + asked
        return self._put(turn, ends, known), cost

    def _put(self, turn: Any, new: Ends, old: Ends) -> Ends:
        """The ends of a turn in their place among all."""
        xp = array_namespace(self.places)
        here, row = _rows(self.places, turn, self.size)

        def put(new: Array, old: Array) -> Array:
            is_new = xp.reshape(here, (-1,) + (1,) * (old.ndim - 1))
            return xp.where(is_new, xp.take(new, row, axis=0), old)

        return Ends(*map(put, new, old))


def _rows(places: Array, turn: Any, size: int) -> tuple[Array, Array]:
    """Which of all places are those of a turn, and their numbers in it; 0 for others."""
    xp = array_namespace(places)
    row = numbered(places[:, 0]) - size * turn
    here = (row >= 0) & (row < size)
    return here, xp.astype(xp.where(here, row, 0 * row), xp.int32)
