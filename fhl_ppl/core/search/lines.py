"""Where else to descend from: what lies beyond a rise along one coordinate (section 10, search).

Modes that differ in one parameter, a period, a sign, the place of a change, lie on a line through
each other along its axis, which no place at random is near. So the energy is looked at along all
axes through the heaviest find; where there are several valleys, through one of each, and farther.
"""

from math import inf
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, eye, numbered
from fhl_ppl.core.control import Control
from fhl_ppl.core.mixture import in_use
from fhl_ppl.core.search.ends import Ends
from fhl_ppl.core.search.finds import BARRIER, NEAR, finds_of, modes_of, squares
from fhl_ppl.core.target import Target, state_at

Array = Any

FIRST = 2.5
"""Where it is looked first, in standard deviations of the find."""

RATIO = 1.2
"""How much farther is each place than the one before. Up to where another mode is, D away, the
energy rises by D^2 / 2 if the find is a Gaussian; so one as high that is s times as wide is seen
from s D to either side. Of those a seventh as wide none is passed over, of a tenth one in six."""

STEPS = 10
"""At how many places is looked to either side: up to 13 standard deviations."""

LOOKS = 2
"""How often is looked from a valley where several are known, the second time farther out. Modes of
a period are 15 standard deviations apart if its wave is six high."""

SHAKE = 0.1
"""How far from there a descent begins, likewise."""


class Beyond(NamedTuple):
    """Places beyond a rise, the lowest first.

    Attributes
    ----------
    places
        Shape [row, dim].
    exists
        Whether there is one, shape [row].
    evaluations
        How many it took, a scalar.
    looks
        How often it was looked from each valley, by its first end, shape [place].
    """

    places: Array
    exists: Array
    evaluations: Array
    looks: Array


def cost_of(dim: int, rows: int) -> int:
    """How many evaluations a look takes, which are made in blocks of `rows`."""
    number = 2 * dim * STEPS
    return number + -number % rows


def no_look(ends: Ends, looks: Array, shake: Array) -> Beyond:
    """Nothing is looked at."""
    xp = array_namespace(shake)
    return Beyond(shake, shake[:, 0] < -inf, xp.zeros_like(ends.lowest[0]), looks)


def both(one: Beyond, other: Beyond) -> Beyond:
    """What two looks have seen, as far as there are rows; costs are added, `other` is the later."""
    xp, rows = array_namespace(one.places), one.exists.shape[0]
    exists = xp.concat([one.exists, other.exists])
    order = xp.argsort(xp.astype(~exists, xp.int32), stable=True)[:rows]
    places = xp.take(xp.concat([one.places, other.places]), order, axis=0)
    evaluations = one.evaluations + other.evaluations
    return Beyond(places, xp.take(exists, order), evaluations, other.looks)


def beyond(target: Target, ends: Ends, looks: Array, shake: Array, control: Control) -> Beyond:
    """The lowest place of each ray to which the energy has come down, of `row` rays at the most.

    Rays are those of the heaviest find in the valleys from which it was looked the fewest times,
    by `looks` of shape [place]; nothing is looked at where there is none, or one that was looked
    from. Places are made row by row of `shake`, in (-1, 1) of shape [row, dim], as in descents.
    """
    xp, dim = array_namespace(ends.centre), ends.centre.shape[1]
    rows, number = shake.shape[0], cost_of(dim, shake.shape[0])
    mass = modes_of(ends, finds_of(ends)).log_weight
    begins = xp.astype(xp.where(ends.valley < 0, 0 * ends.valley, ends.valley), xp.int32)
    times = xp.where(in_use(mass), xp.take(looks, begins), xp.full_like(mass, inf))
    fewest = xp.min(times)
    first = xp.where(times == fewest, mass, xp.full_like(mass, -inf))
    heaviest = xp.reshape(xp.argmax(first), (1,))
    most = xp.where(xp.sum(xp.astype(in_use(mass), xp.int32)) > 1, LOOKS + 0 * fewest, 1.0)

    def look(nothing: Beyond) -> Beyond:
        centre, root = (xp.take(of, heaviest, axis=0)[0, ...] for of in (ends.centre, ends.root))
        sd = xp.sqrt(xp.sum(root**2, axis=1))
        rays = xp.concat([eye(root) * sd, -eye(root) * sd], axis=0)
        # The last place of a look is the first of the next, which tells whether there was a rise.
        near = FIRST * RATIO ** (fewest * (STEPS - 1))
        places = xp.concat([centre + near * RATIO**step * rays for step in range(STEPS)], axis=0)
        energy = xp.reshape(_energies(target, places, rows, control), (STEPS, 2 * dim))
        begins = xp.take(ends.lowest, heaviest) + 0 * energy[0, :]
        begins = xp.where(fewest == 0, begins, xp.full_like(begins, -inf))
        nowhere = xp.full_like(energy, inf)
        fallen = xp.where(energy < _highest_before(energy, begins) - BARRIER, energy, nowhere)
        least = xp.where(fallen == xp.min(fallen, axis=0), fallen, nowhere)
        least = xp.reshape(least, (-1,))
        # In one dimension there are fewer places than rows may be, which then are taken again.
        order = xp.concat([xp.argsort(least)] * (1 + rows // least.shape[0]), axis=0)[:rows]
        begin = xp.take(places, order, axis=0)
        is_known = squares(ends.centre, begin, ends.whitening) < NEAR
        is_known = xp.any(is_known & ends.is_gaussian[:, None], axis=0)
        exists = xp.isfinite(xp.take(least, order)) & ~is_known
        # A descent from a minimum would not learn how wide it is.
        begin = begin + SHAKE * sd * shake
        is_here = numbered(mass) == xp.take(ends.valley, heaviest)
        seen = looks + xp.astype(is_here, looks.dtype)
        return Beyond(begin, exists, nothing.evaluations + number, seen)

    nothing = no_look(ends, looks, shake)
    return control.cond(fewest < most, look, lambda nothing: nothing, nothing)


def _highest_before(energy: Array, begins: Array) -> Array:
    """The highest of all places before each, [step, ray]; the first has what it `begins` with."""
    xp = array_namespace(energy)
    highest = [begins]
    for row in range(energy.shape[0] - 1):
        here = energy[row, :]
        highest.append(xp.where(here > highest[-1], here, highest[-1]))
    return xp.stack(highest)


def _energies(target: Target, places: Array, rows: int, control: Control) -> Array:
    """Of places [place, dim]; infinite where it is no number."""
    xp, (number, dim) = array_namespace(places), places.shape
    filled = xp.concat([places] + [places[:1, :]] * (-number % rows), axis=0)

    def energies(some: Array) -> Array:
        energy = state_at(target, some).potential_energy
        return xp.where(xp.isnan(energy), xp.full_like(energy, inf), energy)

    each = control.map(energies, xp.reshape(filled, (-1, rows, dim)))
    return xp.reshape(each, (-1,))[:number]
