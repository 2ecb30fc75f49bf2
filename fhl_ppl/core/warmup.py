"""Warm-up: all particles feed one estimate, and everything is frozen afterwards (section 7)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fhl_ppl.core.control import Control
from fhl_ppl.core.groups import Groups
from fhl_ppl.core.homes import as_usual_mode
from fhl_ppl.core.iteration import Tuning
from fhl_ppl.core.learners.archive import NoArchive, with_finds
from fhl_ppl.core.learners.chart import recharted
from fhl_ppl.core.learners.learner import Given, Learner, Learnt, Seen, Window
from fhl_ppl.core.learners.metric import first_metric
from fhl_ppl.core.learners.strays import is_stray, of_the_best, without_strays
from fhl_ppl.core.search import Found
from fhl_ppl.core.state import Draws, Info, State

if TYPE_CHECKING:
    from fhl_ppl.core.sampler import Sampler

Array = Any


def start(sampler: "Sampler", state: State, step_size: Array, inverse_mass_matrix: Array) -> Learnt:
    """Begin with a step size (scalar) and M^-1 ([dim] or [dim, dim])."""
    given = Given(step_size, first_metric(inverse_mass_matrix, sampler.is_low_rank))
    return {name: one.start(state, given) for name, one in sampler.learners.items()}


def remember(learnt: Learnt, found: Found) -> Learnt:
    """Begin with an archive of what a search has found, if one is kept."""
    archive = learnt["archive"]
    if isinstance(archive, NoArchive):
        return learnt
    return learnt | {"archive": with_finds(archive, found)}


def learn(sampler: "Sampler", learnt: Learnt, seen: Seen) -> tuple[Learnt, State]:
    """Learn from an iteration, renew at the end of a window, settle there and at the end.

    The state comes back too: a new chart has other coordinates.
    """
    learnt = observe(sampler.learners, learnt, seen)

    def concluded(known: tuple[Any, Learnt], state: State, control: Control) -> Any:
        iteration, learnt = known
        learnt, state = conclude(sampler, learnt, state, iteration, control)
        return (iteration, learnt), state

    # This would take longer to compile than to do.
    due = _is_one_of((*sampler.window_ends, sampler.num_warmup), seen.iteration)
    (_, learnt), state = seen.control.aside(due, concluded, (seen.iteration, learnt), seen.state)
    return learnt, state


def conclude(
    sampler: "Sampler", learnt: Learnt, state: State, iteration: Array, control: Control
) -> tuple[Learnt, State]:
    """Renew at the end of a window, settle there and at the end of the warm-up; else do nothing."""
    learners = sampler.learners
    window_ended = _is_one_of(sampler.window_ends, iteration)
    is_over = _is_one_of((sampler.num_warmup,), iteration)

    def renewed(known: tuple[Learnt, State]) -> tuple[Learnt, State]:
        learnt, state = known
        return renew(learners, learnt, Window(iteration, state, without_strays(state), control))

    learnt, state = control.cond(window_ended, renewed, _same, (learnt, state))
    learnt = control.cond(
        window_ended | is_over, lambda known: settle(learners, known, is_over), _same, learnt
    )
    return learnt, state


def _is_one_of(ends: tuple[int, ...], iteration: Array) -> Array:
    """Whether with this iteration one of these numbers of iterations is done."""
    return sum((iteration + 1 == end) * 1 for end in ends) > 0


def see(
    iteration: Array,
    state: State,
    info: Info,
    draws: Draws,
    tuning: Tuning,
    groups: Groups,
    control: Control,
) -> Seen:
    """Show an iteration, of which `state` and `info` came, to those who learn from it."""
    gathered, mode = without_strays(state), of_the_best(info.mode, state)
    within = as_usual_mode(tuning.homes, mode, gathered, control)
    stray = is_stray(state)
    return Seen(iteration, state, info, stray, gathered, within, draws, tuning, groups, control)


def observe(learners: Mapping[str, Learner], learnt: Learnt, seen: Seen) -> Learnt:
    """Let everybody learn from an iteration; some learn nothing from jumps."""

    def those(from_jumps: bool) -> Learnt:
        return {
            name: one.observe(learnt[name], seen, learnt)
            for name, one in learners.items()
            if one.learns_from_jumps == from_jumps
        }

    def unchanged(_: Any) -> Learnt:
        return {name: learnt[name] for name, one in learners.items() if not one.learns_from_jumps}

    jump = seen.tuning.jump
    if jump is None:
        return those(True) | those(False)
    careful = seen.control.cond(jump.happens > 0, unchanged, lambda _: those(False), learnt)
    return those(True) | careful


def renew(learners: Mapping[str, Learner], learnt: Learnt, window: Window) -> tuple[Learnt, State]:
    """End a window: a new chart, in whose coordinates all are renewed, in their order."""
    chart: Any = learners.get("chart")
    if chart is not None:
        learnt, window = recharted(chart, learnt, window)
    renewed: Learnt = {}
    for name, one in learners.items():
        renewed[name] = one.renew(learnt[name], window, learnt, renewed)
    return renewed, window.state


def settle(learners: Mapping[str, Learner], learnt: Learnt, is_over: Array) -> Learnt:
    """Draw conclusions from what was learnt; where the warm-up `is_over`, for good."""
    return {name: one.settle(learnt[name], learnt, is_over) for name, one in learners.items()}


def _same(value: Any) -> Any:
    return value
