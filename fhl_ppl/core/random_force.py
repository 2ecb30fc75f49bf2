"""A force with noise in it: additive noise, or that of a part of the data (section 5).

Given the noise of every evaluation of a trajectory, each kick is a function of q alone, so section
3 holds. Run backwards the same trajectory meets the noise in the opposite order, which is as likely
if all of it is independent, of one law, and drawn afresh: also for the evaluation at the start,
where a force is left from the iteration before, but one whose noise belongs to how that ended.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from fhl_ppl.core.state import State

Array = Any


class RandomForce(NamedTuple):
    """What `transition` takes for `potential_and_gradient` where the force is random.

    Attributes
    ----------
    draw
        (q [particle, dim], k, U [particle] at q or None) -> (u [particle], g [particle, dim]), the
        k-th evaluation of the iteration, with noise of its own. It serves the half kicks on both
        sides of it. u has only to tell how hard to pull; where it is the true energy, U spares
        working it out.
    potential
        q -> U [particle], the true energy, for the test. None where u is the true one.
    """

    draw: Callable[[Array, Array | int, Array | None], tuple[Array, Array]]
    potential: Callable[[Array], Array] | None = None

    def __call__(self, position: Array) -> tuple[Array, Array]:
        """True energies and a force, where an iteration evaluates nothing else (section 8)."""
        energy, gradient = self.draw(position, 0, None)
        return self.energy_at(position, energy), gradient

    def begin(self, state: State) -> tuple[Array, Array]:
        """(u, g) for the first kick of a trajectory: never the g that the state holds."""
        return self.draw(state.position, 0, state.potential_energy)

    def energy_at(self, position: Array, energy: Array) -> Array:
        """U at the end of a trajectory that came with u."""
        return energy if self.potential is None else self.potential(position)
