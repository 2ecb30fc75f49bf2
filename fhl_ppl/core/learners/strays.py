"""Who is lost, and must not be listened to in warm-up (section 7, strays).

A chain may start, or end up, where the posterior is 1e80 times as steep. A step that is short
enough for it moves nobody else, and of a metric in which its position counts no window recovers. So
what is estimated from all particles leaves out those whose energy lies further above the lowest
than that of any draw; approaches and trajectories go on trying to bring them in.
"""

from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.moves.approach import is_far
from fhl_ppl.core.state import State

Array = Any


def is_stray(state: State) -> Array:
    """Whose energy is so far above the lowest that an approach would pay, shape [particle]."""
    energy = state.potential_energy
    lowest = array_namespace(energy).min(energy)
    return is_far(energy, lowest, state.position.shape[1])


def without_strays(state: State) -> State:
    """Put strays where the particle of the lowest energy is, so that nothing is learnt from them.

    >>> import numpy as np
    >>> position = np.array([[1.0], [2.0], [1e80]])
    >>> without_strays(State(position, np.array([3.0, 0.0, 1e160]), position)).position[:, 0]
    array([1., 2., 2.])
    """
    return State(*(of_the_best(part, state) for part in state))


def of_the_best(values: Array, state: State) -> Array:
    """Give strays what the particle of the lowest energy has of `values`, shape [particle, ...]."""
    xp = array_namespace(values)
    best = xp.argmin(state.potential_energy)[None]
    stray = is_stray(state)
    there = stray if values.ndim == 1 else stray[:, None]
    return xp.where(there, xp.take(values, best, axis=0), values)
