"""Which lost proposals accuse the step size (section 7, step size).

A proposal without a finite energy may have met a wall, where the density ends: no step, however
short, would have kept it. Or the integrator blew up, and a shorter step is the remedy. A particle
that moves on between its losses is taken to have met a wall; one that loses every proposal is not.
"""

from dataclasses import dataclass
from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.learners import windows
from fhl_ppl.core.learners.learner import Given, Learnt, Seen, Steady, Window
from fhl_ppl.core.plan import Plan
from fhl_ppl.core.state import State

Array = Any

MOST_AT_A_WALL = 30.0
"""Losses in a row, of one particle, that pass for walls. A half-normal in three dimensions loses
seven proposals of eight, so that one such run in fifty is longer; a stuck particle costs 30
iterations."""


@dataclass(frozen=True)
class LostProposals(Steady):
    """Counts the losses in a row of every particle, [particle].

    Attributes
    ----------
    search_ends
        The iteration with which the last window ends.
    """

    search_ends: int
    learns_from_jumps = False

    @classmethod
    def of(cls, plan: Plan) -> "LostProposals":
        """Take from the plan when the last window ends."""
        return cls(windows.search_ends(plan.window_ends))

    def start(self, state: State, given: Given) -> Array:
        """No particle has moved yet, so the first losses count."""
        return start(state.potential_energy)

    def observe(self, own: Array, seen: Seen, learnt: Learnt) -> Array:
        """Count one more, or begin again."""
        return update(own, seen.info.is_lost)

    def renew(self, own: Array, window: Window, before: Learnt, renewed: Learnt) -> Array:
        """No particle has moved yet with the long step that a new metric begins with."""
        xp = array_namespace(own)
        is_last = xp.zeros_like(own) + window.iteration + 1 >= self.search_ends
        return xp.where(is_last, own, start(own))


def start(like: Array) -> Array:
    """No particle has moved yet, so the first losses count; `like` has shape [particle]."""
    return array_namespace(like).full_like(like, MOST_AT_A_WALL)


def update(losses: Array, is_lost: Array) -> Array:
    """Losses in a row, shape [particle]."""
    return array_namespace(losses).where(is_lost, losses + 1, losses * 0)


def excused(losses: Array, is_lost: Array) -> Array:
    """Whose proposal says nothing about the step size, shape [particle]."""
    return is_lost & (losses < MOST_AT_A_WALL)
