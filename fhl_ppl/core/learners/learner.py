"""What learns in warm-up: one thing a file, its settings its fields (section 7)."""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.control import Control
from fhl_ppl.core.groups import Groups
from fhl_ppl.core.homes import Homes
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
    is_stray
        Who is lost, shape [particle], see `strays`.
    gathered
        The state with strays put where the best particle is: for all that is estimated from all.
    within
        The same with all modes laid on top of one another, and equally wide, where modes are known:
        for all that a trajectory goes by (`homes.as_usual_mode`).
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
    is_stray: Array
    gathered: State
    within: State
    draws: Draws
    tuning: Tuning
    groups: Groups
    control: Control


class Window(NamedTuple):
    """The end of a window.

    Attributes
    ----------
    iteration
        Number of its last iteration, from 0.
    state, gathered
        Where the particles are, and with strays put where the best is, as in `Seen`.
    control
        The backend's loops and branches.
    """

    iteration: Array
    state: State
    gathered: State
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

    def renew(self, own: Own, window: Window, before: Learnt, renewed: Learnt) -> Own:
        """End a window.

        `before` is what all knew, `renewed` what those make of it that stand before this learner in
        the registry.
        """
        ...

    def settle(self, own: Own, learnt: Learnt, is_over: Array) -> Own:
        """Draw conclusions, after the end of a window and, where `is_over`, of the warm-up.

        Then what is returned is frozen. `learnt` is what all know.
        """
        ...


class Steady:
    """A learner that does nothing where it is not told otherwise."""

    learns_from_jumps = True

    def observe(self, own: Own, seen: Seen, learnt: Learnt) -> Own:
        """Learn nothing from a single iteration."""
        return own

    def renew(self, own: Own, window: Window, before: Learnt, renewed: Learnt) -> Own:
        """Go on as before."""
        return own

    def settle(self, own: Own, learnt: Learnt, is_over: Array) -> Own:
        """Go on as before."""
        return own


def homes_of(learnt: Learnt) -> Homes | None:
    """Which modes are known; None if nobody keeps them."""
    return getattr(learnt["archive"], "homes", None)


def if_finite(estimate: Any, fallback: Any, control: Control) -> Any:
    """The one if all of its parts are finite, else the other: (nested) named tuples of a kind."""
    finite: Any = True
    for part in _leaves(estimate):
        xp = array_namespace(part)
        finite = finite & xp.all(xp.isfinite(part))
    return control.cond(finite, lambda both: both[0], lambda both: both[1], (estimate, fallback))


def _leaves(value: Any) -> Iterator[Array]:
    if isinstance(value, tuple):
        for part in value:
            yield from _leaves(part)
    else:
        yield value
