"""How often replicas went from the target to the reference and back."""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.tempering.swap import swapped

Array = Any

COLD, HOT = 1, 2
"""A replica that has been at the target, and one that has been at the reference since."""


class Travels(NamedTuple):
    """Where replicas come from.

    Attributes
    ----------
    came_from
        `COLD`, `HOT` or 0 of the replica that is now here, shape [temperature, particle].
    round_trips
        Those that were completed among the replicas of each particle, shape [particle].
    """

    came_from: Array
    round_trips: Array


def start(like: Array) -> Travels:
    """Nobody has travelled; `like` has shape [temperature, particle]."""
    return Travels(0 * like, 0 * like[0, :])


def go_on(travels: Travels, happens: Array) -> Travels:
    """Follow the replicas through a swap, `happens` [pair, particle]."""
    xp = array_namespace(travels.came_from)
    came_from = swapped(happens, travels.came_from)
    cold, hot = came_from[:1, :], came_from[-1:, :]
    completed = xp.astype(cold[0, :] == HOT, came_from.dtype)
    came_from = xp.concat(
        [0 * cold + COLD, came_from[1:-1, :], xp.where(hot == COLD, HOT + 0 * hot, hot)], axis=0
    )
    return Travels(came_from, travels.round_trips + completed)
