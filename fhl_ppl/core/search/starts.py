"""Who starts where, of what a search has found (section 10, search).

With one find particles start at draws of it. With several who came to one stays at its start, and
who came to what weighs nothing starts at a draw, first of what nobody came to. Who came to where
the target is no Gaussian and may weigh something stays too.
"""

from math import inf
from typing import Any

from fhl_ppl.core.arrays import array_namespace, numbered
from fhl_ppl.core.control import Control
from fhl_ppl.core.search.ends import Ends
from fhl_ppl.core.search.finds import Finds

Array = Any


def starts_of(ends: Ends, finds: Finds, own: Array, uniform: Array, control: Control) -> Array:
    """A draw for each particle that does not stay: in turn of the find farthest from others'."""
    xp = array_namespace(own)
    mass, centre = finds.mass, ends.centre
    exists, draws = xp.isfinite(mass), ends.draws[:, :, 0, :]
    # Of the draws of a find, one by its weight: the largest of these. Of all draws likewise.
    order = ends.log_weight - xp.log(-xp.log(uniform))
    largest = xp.where(exists, xp.max(order, axis=1), xp.full_like(mass, -inf))
    first = xp.exp(xp.where(exists, largest - xp.max(largest), 0 * mass))
    place, draw, particle = numbered(mass), numbered(order[0, :]), numbered(own[:, 0])
    stays, has_one = _stay(finds, own.shape[0])

    def choose(number: Array, value: tuple[Array, Array, Array, Array]) -> Any:
        starts, turns, distance, left = value
        # At first none has a particle. One gets it by its mass: a chain that is reported alone is
        # such a first one, and of many chains not all shall be where the heaviest is.
        near = xp.where(xp.isfinite(distance), distance / (1 + distance), 1 + first)
        score = xp.where(exists, near - 2 * turns, xp.full_like(near, -inf))
        is_asked = xp.any((particle == number) & ~stays)
        chosen = (place == xp.argmax(score)) & is_asked
        of_chosen = xp.sum(xp.where(chosen[:, None], left, xp.zeros_like(left)), axis=0)
        pick = draw == xp.argmax(of_chosen)
        there = chosen[:, None] & pick
        start = xp.sum(xp.where(there[:, :, None], draws, 0 * draws), axis=(0, 1))
        is_left = xp.any(exists) & xp.isfinite(xp.max(of_chosen))
        here = ((particle == number) & is_left & ~stays)[:, None]
        apart = centre - xp.sum(xp.where(chosen[:, None], centre, 0 * centre), axis=0)
        whitening = xp.sum(
            xp.where(chosen[:, None, None], ends.whitening, 0 * ends.whitening), axis=0
        )
        by_each = xp.sum((ends.whitening @ apart[:, :, None])[:, :, 0] ** 2, axis=1)
        by_chosen = xp.sum((apart @ whitening) ** 2, axis=1)
        farther = xp.where(by_each > by_chosen, by_each, by_chosen)
        return (
            xp.where(here, start, starts),
            turns + xp.astype(chosen, turns.dtype),
            xp.where(is_asked & (farther < distance), farther, distance),
            xp.where(there, xp.full_like(left, -inf), left),
        )

    nobody = 0 * first
    begun = own, nobody, xp.where(has_one, nobody, nobody + inf), order
    return control.fori_loop(0, own.shape[0], choose, begun)[0]


def _stay(finds: Finds, num_particles: int) -> tuple[Array, Array]:
    """Who stays at its start, [particle], and which finds have a particle so, [place].

    Chains that begin at minima far apart would begin with a metric that fits none of them: of
    factor_sign, whose two are alike, three seeds took 39, 13 and 11 thousand gradients of warm-up,
    and 7 thousand if who came to one began from where it was.
    """
    xp = array_namespace(finds.mass)
    exists, is_same = xp.isfinite(finds.mass), finds.is_same
    several = xp.any(exists & exists[:, None] & ~is_same)
    stays = (finds.is_other | (several & exists))[:num_particles]
    # [particle, place]
    of_stayers = is_same[:num_particles, :] & stays[:, None]
    number = numbered(finds.mass)
    earlier = number[:num_particles, None] < number[None, :]
    is_second = stays & xp.any(of_stayers & earlier, axis=0)[:num_particles]
    # One of two in a valley makes room where nobody came to another.
    is_missing = several & xp.any(exists & ~xp.any(of_stayers, axis=0))
    last = xp.max(xp.where(is_second, number[:num_particles], -1 + 0 * number[:num_particles]))
    stays = stays & ~(is_missing & (number[:num_particles] == last))
    return stays, xp.any(is_same[:num_particles, :] & stays[:, None], axis=0)
