"""How often each particle has led in its window; a learner as one is written."""

from dataclasses import dataclass
from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.learners.learner import Given, Learnt, Seen, Steady, Window
from fhl_ppl.core.plan import Plan
from fhl_ppl.core.state import State

Array = Any


@dataclass(frozen=True)
class Leads(Steady):
    """Counts, [particle]."""

    @classmethod
    def of(cls, plan: Plan) -> "Leads":
        """It has no settings."""
        return cls()

    def start(self, state: State, given: Given) -> Array:
        """Nobody has led."""
        return array_namespace(state.position).zeros_like(state.potential_energy)

    def observe(self, own: Array, seen: Seen, learnt: Learnt) -> Array:
        """Count who leads."""
        return own + array_namespace(own).astype(seen.info.is_leader, own.dtype)

    def renew(self, own: Array, window: Window, before: Learnt, renewed: Learnt) -> Array:
        """Begin again."""
        return 0 * own
