"""Where else to descend from: what lies beyond a rise along one coordinate (section 10, search).

Modes that differ in one parameter, a period, a sign, the place of a change, lie on a line through
each other along its axis, which no place at random is near. So the energy is looked at along all
axes through the heaviest find.
"""

from math import inf
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, eye
from fhl_ppl.core.control import Control
from fhl_ppl.core.search.ends import Ends
from fhl_ppl.core.search.finds import BARRIER, Finds
from fhl_ppl.core.target import Target, state_at

Array = Any

FAR = 8
"""How far is looked to either side, and at each whole one, in standard deviations of the find."""

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
    """

    places: Array
    exists: Array
    evaluations: Array


def beyond(
    target: Target, ends: Ends, finds: Finds, most: int, shake: Array, control: Control
) -> Beyond:
    """The lowest place of each ray to which the energy has come down, of `row` rays at the most.

    Nothing is looked at where that would take more than `most` evaluations, or there is no find.
    They are made row by row of `shake`, in (-1, 1) of shape [row, dim], as in descents.
    """
    xp, dim = array_namespace(ends.centre), ends.centre.shape[1]
    rows, number = shake.shape[0], 2 * dim * FAR
    number = number + -number % rows
    nothing = Beyond(shake, shake[:, 0] < -inf, xp.zeros_like(ends.lowest[0]))
    if number > most:
        return nothing
    heaviest = xp.reshape(xp.argmax(finds.mass), (1,))

    def look(nothing: Beyond) -> Beyond:
        centre, root = (xp.take(of, heaviest, axis=0)[0, ...] for of in (ends.centre, ends.root))
        sd = xp.sqrt(xp.sum(root**2, axis=1))
        rays = xp.concat([eye(root) * sd, -eye(root) * sd], axis=0)
        places = xp.concat([centre + step * rays for step in range(1, FAR + 1)], axis=0)
        energy = xp.reshape(_energies(target, places, rows, control), (FAR, 2 * dim))
        lowest = xp.take(ends.lowest, heaviest) + 0 * energy[:1, :]
        before = xp.concat([lowest, energy[:-1, :]], axis=0)
        nowhere = xp.full_like(energy, inf)
        fallen = xp.where(energy < before - BARRIER, energy, nowhere)
        least = xp.where(fallen == xp.min(fallen, axis=0), fallen, nowhere)
        least = xp.reshape(least, (-1,))
        # In one dimension there are fewer places than rows may be, which then are taken again.
        order = xp.concat([xp.argsort(least)] * (1 + rows // least.shape[0]), axis=0)[:rows]
        exists = xp.isfinite(xp.take(least, order))
        # A descent from a minimum would not learn how wide it is.
        begin = xp.take(places, order, axis=0) + SHAKE * sd * shake
        return Beyond(begin, exists, nothing.evaluations + number)

    return control.cond(xp.any(xp.isfinite(finds.mass)), look, lambda nothing: nothing, nothing)


def _energies(target: Target, places: Array, rows: int, control: Control) -> Array:
    """Of places [place, dim]; infinite where it is no number."""
    xp, (number, dim) = array_namespace(places), places.shape
    filled = xp.concat([places] + [places[:1, :]] * (-number % rows), axis=0)

    def energies(some: Array) -> Array:
        energy = state_at(target, some).potential_energy
        return xp.where(xp.isnan(energy), xp.full_like(energy, inf), energy)

    each = control.map(energies, xp.reshape(filled, (-1, rows, dim)))
    return xp.reshape(each, (-1,))[:number]
