"""A force with noise in it: additive noise, or that of a part of the data (section 5).

Given the noise of every evaluation of a trajectory, each kick is a function of q alone, so section
3 holds. Run backwards the same trajectory meets the noise in the opposite order, which is as likely
if all of it is independent, of one law, and drawn afresh: also for the evaluation at the start,
where a force is left from the iteration before, but one whose noise belongs to how that ended.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

Array = Any


class RandomForce(NamedTuple):
    """A `Target` whose force is random.

    Attributes
    ----------
    draw
        (q [particle, dim], k, U [particle], is_start) -> (u [particle], g [particle, dim]), the
        k-th evaluation of the iteration, with noise of its own. It serves the half kicks on both
        sides of it. u has only to tell how hard to pull; where it is the true energy, the U at a
        start spares working it out.
    potential
        q -> U [particle], the true energy, for the test. None where u is the true one.
    """

    draw: Callable[[Array, Array | int, Array, Array | bool], tuple[Array, Array]]
    potential: Callable[[Array], Array] | None = None

    @property
    def is_random(self) -> bool:
        """A trajectory never begins with the force that the state holds."""
        return True

    def evaluate(
        self, position: Array, number: Array | int, known: Array, is_start: Array | bool
    ) -> tuple[Array, Array]:
        """Draw (u, g) anew."""
        return self.draw(position, number, known, is_start)

    def energy(self, position: Array, energy: Array) -> Array:
        """U at the end of a trajectory that came with u."""
        return energy if self.potential is None else self.potential(position)
