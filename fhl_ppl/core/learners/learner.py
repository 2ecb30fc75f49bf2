"""What learns in warm-up: one thing a file, its settings its fields (section 7)."""

from typing import Any, NamedTuple, Protocol

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.control import Control
from fhl_ppl.core.groups import Groups
from fhl_ppl.core.iteration import Tuning
from fhl_ppl.core.metrics import AnyMetric
from fhl_ppl.core.state import Draws, Info, State

Array = Any
Own = Any
"""What one learner has learnt: a named tuple of arrays."""
Learnt = dict[str, Own]
"""What all have learnt, under the names of `fhl_ppl.core.learners.LEARNERS`."""


class Given(NamedTuple):
    """What a run begins with.

    Attributes
    ----------
    step_size
        eta, a scalar.
    metric
        The mass matrix.
    """

    step_size: Array
    metric: AnyMetric


class Seen(NamedTuple):
    """An iteration of the warm-up, as those see it who learn from it.

    Attributes
    ----------
    iteration
        Its number, from 0.
    state, info
        What it led to, and what happened.
    draws, tuning
        What it was made with.
    groups
        Who belongs to which group.
    control
        The backend's loops and branches.
    """

    iteration: Array
    state: State
    info: Info
    draws: Draws
    tuning: Tuning
    groups: Groups
    control: Control


class Learner(Protocol):
    """To add one, write its file and a line in `fhl_ppl.core.learners.LEARNERS`.

    `Steady` has methods for what a learner leaves alone.

    Attributes
    ----------
    learns_from_jumps
        Whether `observe` is called in iterations of jumps too.
    """

    learns_from_jumps: bool

    def start(self, state: State, given: Given) -> Own:
        """Begin, before the first iteration."""
        ...

    def observe(self, own: Own, seen: Seen, learnt: Learnt) -> Own:
        """Learn from an iteration; `learnt` is what all knew when it was tuned."""
        ...

    def renew(self, own: Own, seen: Seen, before: Learnt, renewed: Learnt) -> Own:
        """End a window.

        `before` is what all knew, `renewed` what those make of it that stand before this learner in
        the registry.
        """
        ...

    def settle(self, own: Own) -> Own:
        """End the warm-up: what is returned is frozen."""
        ...


class Steady:
    """A learner that does nothing where it is not told otherwise."""

    learns_from_jumps = True

    def observe(self, own: Own, seen: Seen, learnt: Learnt) -> Own:
        """Learn nothing from a single iteration."""
        return own

    def renew(self, own: Own, seen: Seen, before: Learnt, renewed: Learnt) -> Own:
        """Go on as before."""
        return own

    def settle(self, own: Own) -> Own:
        """Freeze what there is."""
        return own


def if_finite(estimate: Any, fallback: Any) -> Any:
    """The one if all of its parts are finite, else the other: both are named tuples of a kind."""
    xp = array_namespace(fallback[0])
    finite = True
    for part in estimate:
        finite = finite & xp.all(xp.isfinite(part))
    return type(fallback)(
        *(xp.where(finite, new, old) for new, old in zip(estimate, fallback, strict=True))
    )
