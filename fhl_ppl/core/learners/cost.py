"""What an iteration costs a particle, by which moves and pulls are weighed."""

from typing import Any, NamedTuple

from fhl_ppl.core.state import Info

Array = Any


class Cost(NamedTuple):
    """With a minibatch the energy of all rows is what is dear.

    Attributes
    ----------
    energy, force
        What an iteration costs by itself, and for each evaluation of the force.
    """

    energy: float = 0.0
    force: float = 1.0

    def of(self, info: Info) -> Array:
        """Cost of one iteration, a scalar."""
        return self.energy + self.force * info.num_steps
