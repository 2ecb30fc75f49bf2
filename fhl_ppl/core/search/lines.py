"""Where else to descend from: what lies beyond a rise along one coordinate (section 10, search).

Modes that differ in one parameter, a period, a sign, the place of a change, lie on a line through
each other along its axis, which no place at random is near. So the energy is looked at along all
axes through the heaviest find; where there are several valleys, through one of each, and farther.
"""

from math import inf
from typing import Any

from fhl_ppl.core.arrays import array_namespace, eye, numbered
from fhl_ppl.core.control import Control
from fhl_ppl.core.mixture import in_use
from fhl_ppl.core.search.ahead import SHAKE, Ahead, energies_at, no_look
from fhl_ppl.core.search.ends import Ends
from fhl_ppl.core.search.finds import BARRIER, are_at, finds_of, modes_of
from fhl_ppl.core.target import Target

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


def cost_of(dim: int, rows: int) -> int:
    """How many evaluations a look takes, which are made in blocks of `rows`."""
    number = 2 * dim * STEPS
    return number + -number % rows


def beyond(
    target: Target, ends: Ends, looks: Array, shake: Array, control: Control
) -> tuple[Ahead, Array]:
    """The lowest place of each ray to which the energy has come down, the lowest first.

    Rays are those of the heaviest find in the valleys from which it was looked the fewest times,
    which `looks` tells of each by its first end, shape [place]; it comes back with this look.
    Nothing is looked at where there is none, or one that was looked from. `shake` is as in corners.
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

    def look(nothing: tuple[Ahead, Array]) -> tuple[Ahead, Array]:
        centre, root = (xp.take(of, heaviest, axis=0)[0, ...] for of in (ends.centre, ends.root))
        sd = xp.sqrt(xp.sum(root**2, axis=1))
        rays = xp.concat([eye(root) * sd, -eye(root) * sd], axis=0)
        # The last place of a look is the first of the next, which tells whether there was a rise.
        near = FIRST * RATIO ** (fewest * (STEPS - 1))
        places = xp.concat([centre + near * RATIO**step * rays for step in range(STEPS)], axis=0)
        energy = xp.reshape(energies_at(target, places, rows, control), (STEPS, 2 * dim))
        begins = xp.take(ends.lowest, heaviest) + 0 * energy[0, :]
        begins = xp.where(fewest == 0, begins, xp.full_like(begins, -inf))
        nowhere = xp.full_like(energy, inf)
        fallen = xp.where(energy < _highest_before(energy, begins) - BARRIER, energy, nowhere)
        least = xp.where(fallen == xp.min(fallen, axis=0), fallen, nowhere)
        least = xp.reshape(least, (-1,))
        # In one dimension there are fewer places than rows may be, which then are taken again.
        order = xp.concat([xp.argsort(least)] * (1 + rows // least.shape[0]), axis=0)[:rows]
        begin = xp.take(places, order, axis=0)
        exists = xp.isfinite(xp.take(least, order)) & ~are_at(ends, ends.is_gaussian, begin)
        is_here = numbered(mass) == xp.take(ends.valley, heaviest)
        seen = Ahead(begin + SHAKE * sd * shake, exists, nothing[0].evaluations + number)
        return seen, looks + xp.astype(is_here, looks.dtype)

    return control.cond(fewest < most, look, lambda nothing: nothing, (no_look(shake), looks))


def _highest_before(energy: Array, begins: Array) -> Array:
    """The highest of all places before each, [step, ray]; the first has what it `begins` with."""
    xp = array_namespace(energy)
    highest = [begins]
    for row in range(energy.shape[0] - 1):
        here = energy[row, :]
        highest.append(xp.where(here > highest[-1], here, highest[-1]))
    return xp.stack(highest)
