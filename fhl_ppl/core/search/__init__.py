"""Where to start: minima that descents from many places have found (section 10, search).

Particles that start in one valley see no other, and what leads them is the first of them that is
low. So before warm-up more places than there are particles are descended from. A minimum is a find
if the Gaussian around it is about what the target is there; what it weighs is told by a few draws
of that Gaussian. Where there are finds in several valleys it is looked for more, and warm-up begins
with an archive of all.
"""

from math import log
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.control import Control
from fhl_ppl.core.mixture import UNUSED, Mixture, in_use
from fhl_ppl.core.search.around import SCALES, around
from fhl_ppl.core.search.bounds import Bounds, places_of
from fhl_ppl.core.search.finds import (
    finds_of,
    is_beside,
    modes_of,
    number_at_last,
    number_missed,
)
from fhl_ppl.core.search.starts import starts_of
from fhl_ppl.core.search.turn import Turn
from fhl_ppl.core.search.turns import all_turns, is_several
from fhl_ppl.core.target import Target

Array = Any


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
        How many valleys of some mass no descent has led to, by how often they led to the others and
        how many were found at last, a scalar; 0 where there is one.
    """

    starts: Array
    evaluations: Array
    modes: Mixture
    missed: Array


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
    turn = Turn(target, noise, bounds, size, control)
    known = all_turns(turn, places, radius)
    ends, several = known.ends, is_several(known.ends)
    finds = finds_of(ends)
    modes = modes_of(ends, finds)
    guesses = number_missed(ends, finds), number_at_last(ends, finds, size)
    missed = xp.max(xp.stack(guesses))
    wide = around(target, modes, ends.lowest, noise[0, :size, :], control)
    beside = is_beside(modes, wide, ends, places, dim * log(2 * radius))
    has_find = xp.any(in_use(modes.log_weight))
    evaluations = known.spent + xp.where(has_find, len(SCALES) * size, 0)
    starts = starts_of(ends, finds, position, uniform[:, dim:], control)
    seen = modes._replace(log_weight=xp.where(several | beside, modes.log_weight, UNUSED))
    # Beside several, what is around one may be another that is no Gaussian.
    is_wide = beside & ~several
    wide = wide._replace(log_weight=xp.where(is_wide, wide.log_weight, UNUSED))
    return Found(
        # Who began in a spike would not leave it, and never see what lies about it.
        xp.where(beside & ~several, position, starts),
        evaluations,
        Mixture(*(xp.concat(parts, axis=0) for parts in zip(seen, wide, strict=True))),
        xp.where(several, missed, 0 * missed),
    )
