"""How far a search may look, and how much it may cost (section 10, search)."""

from math import ceil, inf
from typing import NamedTuple

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
LEAST = 16
"""With fewer none arrives, and none is begun."""


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
