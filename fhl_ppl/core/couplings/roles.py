"""What a coupling fixes before anything moves."""

from typing import Any, NamedTuple

from fhl_ppl.core.leader import Leader

Array = Any


class Roles(NamedTuple):
    """Roles for one iteration.

    Attributes
    ----------
    leader
        The leader as it stands at the start of the iteration.
    is_pulled
        Whether the pull acts on the particle, shape [particle].
    """

    leader: Leader
    is_pulled: Array
