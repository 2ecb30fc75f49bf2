"""A turn of a search: descents from as many places, and which valleys these end in."""

from math import inf
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, numbered
from fhl_ppl.core.control import Control
from fhl_ppl.core.search.bounds import Bounds
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
from fhl_ppl.core.search.finds import are_explained, valleys_of
from fhl_ppl.core.target import Target

Array = Any


class Begin(NamedTuple):
    """Where descents of a turn begin.

    Attributes
    ----------
    position
        Shape [row, dim].
    is_asked
        Which of these shall be made, shape [row]; others cost nothing.
    is_at_random
        Which tell where places at random lead, shape [row].
    """

    position: Array
    is_asked: Array
    is_at_random: Array


class Turn(NamedTuple):
    """Descents from as many places as a turn has, and all that is known with them."""

    target: Target
    noise: Array
    bounds: Bounds
    size: int
    control: Control

    def __call__(self, turn: Any, begin: Begin, known: Ends | None = None) -> tuple[Ends, Array]:
        """What is known with these descents, and evaluations."""
        xp = array_namespace(self.noise)
        rows = self.rows_of(turn)
        position, is_asked, is_at_random = begin
        descent = descend(self.target, position, is_asked, self.bounds.most, self.control)
        ends = ends_of(descent)
        nowhere = xp.full_like(ends.begun, inf)
        ends = ends._replace(begun=xp.where(is_at_random, ends.begun, nowhere))
        is_first = known is None
        known = self._put(turn, ends, known or no_ends(ends, self.bounds.turns))
        valley, asked = valleys_of(self.target, known, ends, self.size * turn, self.control)
        ends = ends._replace(valley=valley)
        # Of all ends of the first turn: particles may start at draws.
        wanted = (ends.has_arrived & ~are_explained(ends, known)) | is_first

        noise = xp.take(self.noise, rows, axis=1)

        def draw(ends: Ends) -> Ends:
            return with_draws(self.target, ends, noise, wanted, self.control)

        ends = self.control.cond(xp.any(wanted), draw, lambda ends: ends, ends)
        # One of each valley. Who began near a minimum has not learnt how wide it is.
        unlike = is_steep(ends) | (ends.has_arrived & ~is_at_random)
        unlike = wanted & unlike & (valley == self.size * turn + numbered(valley))

        def sharpen(ends: Ends) -> Ends:
            return sharpened(self.target, ends, noise, unlike, self.control)

        ends = self.control.cond(xp.any(unlike), sharpen, lambda ends: ends, ends)
        draws = DRAWS * wanted + (DRAWS + ends.centre.shape[1]) * unlike
        cost = xp.sum(descent.evaluations + draws) + asked
        return self._put(turn, ends, known), cost

    def rows_of(self, turn: Any) -> Array:
        """Which of all places are those of a turn, [row]."""
        xp = array_namespace(self.noise)
        return xp.astype(numbered(self.noise[0, : self.size, 0]) + self.size * turn, xp.int32)

    def _put(self, turn: Any, new: Ends, old: Ends) -> Ends:
        """The ends of a turn in their place among all."""
        xp = array_namespace(self.noise)
        row = numbered(self.noise[0, :, 0]) - self.size * turn
        here = (row >= 0) & (row < self.size)
        row = xp.astype(xp.where(here, row, 0 * row), xp.int32)

        def put(new: Array, old: Array) -> Array:
            is_new = xp.reshape(here, (-1,) + (1,) * (old.ndim - 1))
            return xp.where(is_new, xp.take(new, row, axis=0), old)

        return Ends(*map(put, new, old))
