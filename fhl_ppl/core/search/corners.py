"""Where else to descend from: the fourth corner of three modes (section 10, search).

Where some parameters do not depend on others, and both have several modes, as signs of factors and
periods have, modes lie on a grid, along whatever axes: what leads from one to another leads from a
third to a fourth. Of 2^k modes a place at random leads to one, and three that are known to another.
"""

from itertools import combinations
from math import inf
from typing import Any, NamedTuple

from array_api_compat import device

from fhl_ppl.core.arrays import array_namespace, numbered
from fhl_ppl.core.control import Control
from fhl_ppl.core.mixture import in_use
from fhl_ppl.core.search.ahead import SHAKE, Ahead, energies_at, no_look
from fhl_ppl.core.search.ends import STEEP, Ends
from fhl_ppl.core.search.finds import BARRIER, BETWEEN, NEAR, are_at, finds_of, modes_of, squares
from fhl_ppl.core.target import Target

Array = Any

MODES = 16
"""Of so many, the heaviest, corners are made: 1680, most of which are at modes that are known."""
LOOK = 64
"""At how many is looked at once. Of three among the 32 modes that five signs make one in four has
its fourth corner at a mode, and more of those that are close together."""


class _Corners(NamedTuple):
    """Fourth corners, [corner].

    Attributes
    ----------
    place
        Shape [corner, dim].
    size
        Squares of the two sides, each in standard deviations of the wider mode at its ends;
        infinite for what does not count.
    height
        The energy at the highest of the three, or higher, if what changes it adds up.
    sd
        Standard deviations of one of the three, shape [corner, dim].
    """

    place: Array
    size: Array
    height: Array
    sd: Array


def corners(target: Target, ends: Ends, newest: Any, shake: Array, control: Control) -> Ahead:
    """Fourth corners at which the energy is about that of the three, the lowest first.

    One of the three at least is new. The closest are tried first: a grid may be bent, and close
    ones differ in the least. Nothing is looked at where there are no three.

    Parameters
    ----------
    target
        What is evaluated.
    ends
        What is known.
    newest
        From which number among `ends` on a valley is new.
    shake
        In (-1, 1), shape [row, dim]: of as many places as can be begun from.
    control
        Loops.
    """
    xp, rows = array_namespace(shake), shake.shape[0]
    mass = modes_of(ends, finds_of(ends)).log_weight
    is_mode = in_use(mass)

    def look(nothing: Ahead) -> Ahead:
        order = xp.argsort(xp.where(is_mode, -mass, xp.full_like(mass, inf)), stable=True)[:MODES]
        modes, exists = Ends(*(xp.take(of, order, axis=0) for of in ends)), xp.take(is_mode, order)
        seen = _not_known(_close(_corners(modes, exists, newest), modes), ends)
        energy = energies_at(target, seen.place, rows, control)
        least_high = seen.height + STEEP * shake.shape[1] / 2
        counts = xp.isfinite(seen.size) & (energy < least_high)
        is_inside, asked = _in_known_valleys(
            target, ends, seen.place, energy, counts, rows, control
        )
        energy = xp.where(counts & ~is_inside, energy, xp.full_like(energy, inf))
        lowest = xp.argsort(energy, stable=True)[:rows]
        place, sd = (xp.take(of, lowest, axis=0) for of in (seen.place, seen.sd))
        exists = xp.isfinite(xp.take(energy, lowest))
        looked = xp.sum(xp.astype(xp.isfinite(seen.size), energy.dtype))
        return Ahead(place + SHAKE * sd * shake, exists, looked + asked)

    number = xp.sum(xp.astype(is_mode, xp.int32))
    return control.cond(number > 2, look, lambda nothing: nothing, no_look(shake))


def _corners(modes: Ends, exists: Array, newest: Any) -> _Corners:
    """All fourth corners of modes, [mode], of which some exist."""
    xp, number = array_namespace(exists), exists.shape[0]
    threes = [
        (*pair, origin)
        for pair in combinations(range(number), 2)
        for origin in range(number)
        if origin not in pair
    ]
    one, other, origin = (
        xp.asarray(numbers, dtype=xp.int32, device=device(exists))
        for numbers in zip(*threes, strict=True)
    )
    apart = squares(modes.centre, modes.centre, modes.whitening)
    apart = xp.min(xp.stack([apart, xp.matrix_transpose(apart)]), axis=0)

    def highest(of: Array) -> Array:
        return xp.max(xp.stack([xp.take(of, each) for each in (one, other, origin)]), axis=0)

    place = xp.take(modes.centre, one, axis=0) + xp.take(modes.centre, other, axis=0)
    place = place - xp.take(modes.centre, origin, axis=0)
    counts = highest(xp.astype(~exists, xp.int32)) < 1
    counts = counts & (highest(modes.valley) >= newest) & ~are_at(modes, exists, place)
    apart = xp.reshape(apart, (-1,))
    size = sum(xp.take(apart, number * origin + each) for each in (one, other))
    first, second, between = (xp.take(modes.lowest, each) for each in (one, other, origin))
    heights = [highest(modes.lowest), first + second - between]
    sd = xp.sqrt(xp.sum(modes.root**2, axis=2))
    return _Corners(
        place,
        xp.where(counts, size, xp.full_like(size, inf)),
        xp.max(xp.stack(heights), axis=0),
        xp.take(sd, one, axis=0),
    )


def _close(seen: _Corners, modes: Ends) -> _Corners:
    """The smallest, and of those that are in one place one."""
    xp = array_namespace(seen.size)
    seen = _smallest(seen, 2 * LOOK)
    within = seen.place @ modes.whitening[0, :, :]
    is_same = xp.sum((within[:, None, :] - within) ** 2, axis=2) < NEAR
    number = numbered(seen.size)
    is_again = xp.any(is_same & (number[:, None] < number), axis=0)
    return seen._replace(size=xp.where(is_again, xp.full_like(seen.size, inf), seen.size))


def _not_known(seen: _Corners, ends: Ends) -> _Corners:
    """The smallest that are at none of all the ends."""
    xp = array_namespace(seen.size)
    is_known = are_at(ends, ends.is_gaussian, seen.place)
    seen = seen._replace(size=xp.where(is_known, xp.full_like(seen.size, inf), seen.size))
    return _smallest(seen, LOOK)


def _smallest(seen: _Corners, number: int) -> _Corners:
    xp = array_namespace(seen.size)
    order = xp.argsort(seen.size, stable=True)[:number]
    return _Corners(*(xp.take(of, order, axis=0) for of in seen))


def _in_known_valleys(
    target: Target,
    ends: Ends,
    place: Array,
    energy: Array,
    is_asked: Array,
    rows: int,
    control: Control,
) -> tuple[Array, Array]:
    """Which places nothing parts from the Gaussian that is nearest, and evaluations.

    A bent grid has corners in tails of what is known.
    """
    xp = array_namespace(place)
    away = squares(ends.centre, place, ends.whitening)
    nearest = xp.argmin(xp.where(ends.is_gaussian[:, None], away, xp.full_like(away, inf)), axis=0)
    centre, lowest = xp.take(ends.centre, nearest, axis=0), xp.take(ends.lowest, nearest)
    height = xp.where(energy > lowest, energy, lowest)
    evaluations = 0 * xp.sum(place)
    for share in BETWEEN:
        evaluations = evaluations + xp.sum(xp.astype(is_asked, energy.dtype))
        between = energies_at(target, centre + share * (place - centre), rows, control)
        is_asked = is_asked & (between < height + BARRIER)
    return is_asked, evaluations
