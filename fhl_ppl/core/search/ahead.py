"""Where a descent might begin, in place of a place at random, and what it took to see that."""

from math import inf
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.control import Control
from fhl_ppl.core.target import Target, state_at

Array = Any

SHAKE = 0.1
"""How far from what was seen a descent begins, in standard deviations of a find: from a minimum it
would not learn how wide that is."""


class Ahead(NamedTuple):
    """Places that were seen, the most promising first.

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


def no_look(like: Array) -> Ahead:
    """Nothing is looked at, for places like these, [row, dim]."""
    xp = array_namespace(like)
    return Ahead(like, like[:, 0] < -inf, xp.sum(0 * like))


def both(one: Ahead, other: Ahead) -> Ahead:
    """What two looks have seen, as far as there are rows; costs are added."""
    xp, rows = array_namespace(one.places), one.exists.shape[0]
    exists = xp.concat([one.exists, other.exists])
    order = xp.argsort(xp.astype(~exists, xp.int32), stable=True)[:rows]
    places = xp.take(xp.concat([one.places, other.places]), order, axis=0)
    return Ahead(places, xp.take(exists, order), one.evaluations + other.evaluations)


def energies_at(target: Target, places: Array, rows: int, control: Control) -> Array:
    """Of places [place, dim], so many at once; infinite where it is no number."""
    xp, (number, dim) = array_namespace(places), places.shape
    filled = xp.concat([places] + [places[:1, :]] * (-number % rows), axis=0)

    def energies(some: Array) -> Array:
        energy = state_at(target, some).potential_energy
        return xp.where(xp.isnan(energy), xp.full_like(energy, inf), energy)

    each = control.map(energies, xp.reshape(filled, (-1, rows, dim)))
    return xp.reshape(each, (-1,))[:number]
