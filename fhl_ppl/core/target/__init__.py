"""What is sampled: the true energy for the test, and the force that moves particles (section 5).

Row i of everything belongs to particle i: U, g and noise of a particle depend on its own row of
positions, and of whatever a target holds for each particle, alone. Conditioning each particle on
values of its own, and a temperature for each, stand on that; `tests/core/test_target.py` checks it.

A conditioned, tempered or charted target is one more class with these methods.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.state import State
from fhl_ppl.core.target.random_force import RandomForce

Array = Any

__all__ = ["Plain", "RandomForce", "Target", "state_at"]


class Target(Protocol):
    """An energy and a force.

    Attributes
    ----------
    is_random
        Whether the force has noise in it. Then every trajectory begins with an evaluation.
    """

    @property
    def is_random(self) -> bool:
        """See above."""
        ...

    def evaluate(
        self, position: Array, number: Array | int, known: Array, is_start: Array | bool
    ) -> tuple[Array, Array]:
        """Give the energy that pulls go by, and the force.

        Parameters
        ----------
        position
            q, shape [particle, dim].
        number
            Which evaluation of the iteration it is: it tells a random force which noise to take.
        known, is_start
            Where `is_start`, `known` [particle] are the true energies at `position`.

        Returns
        -------
        u [particle] and g [particle, dim].
        """
        ...

    def energy(self, position: Array, energy: Array) -> Array:
        """Give the true U [particle], for the test, where `evaluate` gave `energy`."""
        ...


class Plain(NamedTuple):
    """A force that is a function of the position, be it the gradient of U or not.

    Attributes
    ----------
    potential_and_gradient
        q [particle, dim] -> (U [particle], g [particle, dim]).
    """

    potential_and_gradient: Callable[[Array], tuple[Array, Array]]

    @property
    def is_random(self) -> bool:
        """The force at the end of a trajectory serves the next one."""
        return False

    def evaluate(
        self, position: Array, number: Array | int, known: Array, is_start: Array | bool
    ) -> tuple[Array, Array]:
        """Give U and g."""
        return self.potential_and_gradient(position)

    def energy(self, position: Array, energy: Array) -> Array:
        """U has been evaluated already."""
        return energy


def state_at(target: Target, position: Array) -> State:
    """Evaluate a target where particles start, shape [particle, dim]."""
    unknown = array_namespace(position).sum(position, axis=1)
    energy, gradient = target.evaluate(position, 0, unknown, False)
    return State(position, target.energy(position, energy), gradient)
