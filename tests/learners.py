"""What every learner has to do: checks that one gets for nothing by its line in `LEARNERS`.

Each check takes a `Story` and the name of a learner, and raises an `AssertionError`. NumPy's are
in `tests.core.learners.test_every_learner`; `check_library` is for the tests of the adapters.
"""

from typing import Any, NamedTuple

import numpy as np

from fhl_ppl.core import warmup
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.learners.learner import Given, Learnt, Window
from fhl_ppl.core.learners.strays import without_strays
from fhl_ppl.core.metrics import dense_fit, low_rank_fit
from fhl_ppl.core.plan import Kind
from fhl_ppl.core.sampler import Sampler, make_sampler
from fhl_ppl.core.state import State
from fhl_ppl.core.tuning import tune
from tests.plans import WITHIN_MODES, make_plan
from tests.runs import Run, leaves
from tests.targets import TARGETS

NUM_WARMUP, WINDOWS = 30, (10, 26)
PLANS = {
    "dense": make_plan(NUM_WARMUP, window_ends=WINDOWS),
    "low rank": make_plan(
        NUM_WARMUP,
        window_ends=WINDOWS,
        dense=False,
        low_rank=True,
        estimate_metric=low_rank_fit.from_scores,
    ),
    "untrusted": make_plan(
        NUM_WARMUP,
        window_ends=WINDOWS,
        estimate_metric=dense_fit.from_positions,
        estimate_centre=None,
        trusts_gradient=False,
        kinds=(Kind(1, 0.4), Kind(4, 0.6)),
    ),
    "charted": make_plan(
        NUM_WARMUP,
        window_ends=WINDOWS,
        charts=True,
        jumps=WITHIN_MODES,
    ),
}
CASES = [(plan, name) for plan in PLANS for name in make_sampler(PLANS[plan]).learners]
TOLERANCE = 1e-8
"""Between libraries, relative; they add up in another order."""


class Lesson(NamedTuple):
    """An iteration as `Seen` has it, without what is no array, and what was known before it."""

    iteration: Any
    state: State
    info: Any
    draws: Any
    tuning: Any
    groups: Any
    known: Learnt


class Story(NamedTuple):
    """A warm-up that learners are told: its start, iterations, and the end of a window.

    `before` is what all knew at that end, `renewed` what they made of it; `run` has gone on.
    """

    sampler: Sampler
    state: State
    given: Given
    lessons: tuple[Lesson, ...]
    before: Learnt
    renewed: Learnt
    run: Run


def tell(plan, dtype=np.float64):
    """A run of all the warm-up; the lessons are those from its first window to its second."""
    rng = np.random.default_rng(3)
    position = rng.standard_normal((8, 3)).astype(dtype)
    evaluate = TARGETS["skewed"].potential_and_gradient
    # Counted in plain numbers: an array of integers makes double precision of single in NumPy.
    run = Run(plan, evaluate, position, rng, step_size=0.5, number=int)
    begun, given = run.state, Given(np.asarray(0.5, dtype), run.learnt["metric"])
    lessons = []
    for k in range(NUM_WARMUP):
        run.go(1)
        seen = run.state, run.infos[-1], run.draws[-1], run.tunings[-1], run.groups
        lessons.append(Lesson(k, *seen, run.known[-1]))
    last = lessons[WINDOWS[1] - 1]
    learners = run.sampler.learners
    before = warmup.observe(learners, last.known, seen_in(last))
    renewed, _ = warmup.renew(learners, before, end_of(last))
    chosen = tuple(lessons[WINDOWS[0] : WINDOWS[1]])
    return Story(run.sampler, begun, given, chosen, before, renewed, run)


def seen_in(lesson, control=PYTHON):
    """What learners are shown of a lesson."""
    return warmup.see(*lesson[:-1], control)


def end_of(lesson, control=PYTHON):
    """What learners go by at the end of a window, of which this is the last lesson."""
    return Window(lesson.iteration, lesson.state, without_strays(lesson.state), control)


def life(story, name, control=PYTHON):
    """All that the learner called `name` knows in turn: of a start, a window, its end, the end."""
    one = story.sampler.learners[name]
    own = one.start(story.state, story.given)
    stages = {"start": own}
    for lesson in story.lessons:
        own = one.observe(own, seen_in(lesson, control), {**lesson.known, name: own})
    stages["observe"] = own
    last = end_of(story.lessons[-1], control)
    own = one.renew(own, last, {**story.before, name: own}, story.renewed)
    settled = one.settle(own, {**story.renewed, name: own}, True)
    return {**stages, "renew": own, "settle": settled}


def form(value):
    """Types, names, shapes and dtypes of nested named tuples of arrays."""
    if isinstance(value, tuple):
        assert hasattr(value, "_asdict"), f"no names for the parts of {value}"
        parts = {field: form(part) for field, part in value._asdict().items()}
        return type(value).__name__, parts
    assert hasattr(value, "shape"), f"no array: {value!r}"
    return tuple(value.shape), value.dtype


def check_form(story, name):
    """Shapes and dtypes are those of the start for good, and its floats those of the state."""
    stages = {stage: form(own) for stage, own in life(story, name).items()}
    for stage, found in stages.items():
        assert found == stages["start"], f"after {stage}: {found}, at the start {stages['start']}"
    for leaf in leaves((story.run.learnt[name],)):
        is_float = np.issubdtype(leaf.dtype, np.floating)
        assert not is_float or leaf.dtype == story.state.position.dtype


def check_finite(story, name):
    """One iteration far out, or of no numbers at all, spoils no more than the window."""
    learners = story.sampler.learners
    for bad in bad_lessons(story):
        with np.errstate(all="ignore"):
            # Everybody has seen it: what is fitted by others comes from the same moments.
            known = warmup.observe(learners, bad.known, seen_in(bad))
            for lesson in story.lessons[1:]:
                known = warmup.observe(learners, known, seen_in(lesson))
            known, _ = warmup.renew(learners, known, end_of(story.lessons[-1]))
            known = warmup.settle(learners, known, True)
        for leaf in leaves((known[name],)):
            assert np.isfinite(leaf).all(), f"{name}: {known[name]}"


def check_tuning(story):
    """Nor does it spoil the iterations that are left of the window."""
    for bad in bad_lessons(story):
        with np.errstate(all="ignore"):
            known = warmup.observe(story.sampler.learners, bad.known, seen_in(bad))
        after = story.lessons[1]
        tuning = tune(story.sampler, known, after.groups, after.iteration, after.draws)
        for leaf in leaves(tuning._replace(splitting=None)):
            assert np.isfinite(leaf).all() or leaf is tuning.jump.log_tilt


def bad_lessons(story):
    """The first lesson with no numbers in it, with infinite ones, and with squares too large."""
    first = story.lessons[0]
    for value in (np.nan, np.inf, np.finfo(story.state.position.dtype).max ** 0.75):
        state = State(*(spoilt(part, value) for part in first.state))
        info = first.info._replace(energy=spoilt(first.info.energy, value))
        yield first._replace(state=state, info=info)


def spoilt(part, value):
    """The same with one particle's numbers replaced."""
    part = part.copy()
    part[3] = value
    return part


def check_frozen(story, name):
    """After the warm-up nothing is learnt."""
    run = story.run
    settled = run.learnt[name]
    copies = [np.array(leaf) for leaf in leaves((settled,))]
    run.go(5)
    for copy, leaf in zip(copies, leaves((run.learnt[name],)), strict=True):
        np.testing.assert_array_equal(copy, leaf)


def check_saved(story, name):
    """By the names of its fields all comes back as it was."""
    own = life(story, name)["observe"]
    saved = by_name(own, name)
    assert all(isinstance(value, np.ndarray | np.generic) for value in saved.values())
    again = from_names(saved, own, name)
    assert form(again) == form(own)
    for new, old in zip(leaves((again,)), leaves((own,)), strict=True):
        np.testing.assert_array_equal(new, old)


def by_name(own, name):
    """All arrays of nested named tuples, by their path."""
    if not isinstance(own, tuple):
        return {name: own}
    assert hasattr(own, "_asdict"), f"no names for the parts of {name}"
    found = {}
    for field, part in own._asdict().items():
        found |= by_name(part, f"{name}.{field}")
    return found


def from_names(saved, like, name):
    """Undo `by_name`."""
    if not isinstance(like, tuple):
        return saved[name]
    parts = {
        field: from_names(saved, part, f"{name}.{field}") for field, part in like._asdict().items()
    }
    return type(like)(**parts)


CHECKS = {
    "form": check_form,
    "finite": check_finite,
    "frozen": check_frozen,
    "saved": check_saved,
}


def arrays_of(tree):
    """The arrays of a tree; what is no array has to be the same in all libraries."""
    return [leaf for leaf in leaves(tree) if isinstance(leaf, np.ndarray | np.generic)]


def with_arrays(tree, arrays):
    """The tree with others in the places of its arrays, in their order."""
    others = iter(arrays)

    def replaced(part):
        if isinstance(part, dict):
            return {key: replaced(value) for key, value in part.items()}
        if hasattr(part, "_asdict"):
            return type(part)(*map(replaced, part))
        if isinstance(part, tuple):
            return tuple(map(replaced, part))
        return next(others) if isinstance(part, np.ndarray | np.generic) else part

    return replaced(tree)


def told(story):
    """What a learner is told, all of it arrays and plain numbers."""
    lessons = tuple(each._replace(iteration=np.asarray(each.iteration)) for each in story.lessons)
    return story.state, story.given, lessons, story.before, story.renewed


def live(story, name, arrays, control):
    """The arrays of a `life` in another library, of which `arrays` are `arrays_of(told(story))`."""
    sampler, run = story.sampler, story.run
    other = Story(sampler, *with_arrays(told(story), arrays), run)
    return leaves(tuple(life(other, name, control).values()))


def check_library(story, name, run, as_numpy):
    """`run` makes of (function, arrays) what the library makes of it; the same as NumPy."""
    expected = leaves(tuple(life(story, name).values()))
    found = run(lambda arrays, control: live(story, name, arrays, control), arrays_of(told(story)))
    assert len(found) == len(expected)
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(as_numpy(got), wanted, rtol=TOLERANCE, atol=TOLERANCE)


class Broken:
    """A sound learner, the running mean of the positions, to be broken in one way or another."""

    learns_from_jumps = True

    def start(self, state, given):
        return state.position.mean(axis=0)

    def observe(self, own, seen, learnt):
        return own + 0.1 * (seen.state.position.mean(axis=0) - own)

    def renew(self, own, window, before, renewed):
        return window.state.position.mean(axis=0)

    def settle(self, own, learnt, is_over):
        return own


class DoublesPrecision(Broken):
    """Multiplies by a number of double precision."""

    def observe(self, own, seen, learnt):
        return own * np.float64(0.9)


class Grows(Broken):
    """Keeps all positions."""

    def observe(self, own, seen, learnt):
        return np.concat([own, seen.state.position[0]])


class NeverForgets(Broken):
    """Goes on in the next window with what it saw in the last."""

    def renew(self, own, window, before, renewed):
        return own


class Nameless(Broken):
    """A tuple, whose parts have no names to be saved by."""

    def start(self, state, given):
        return (state.position.mean(axis=0),)

    def observe(self, own, seen, learnt):
        return own

    def renew(self, own, window, before, renewed):
        return own


class LooksAtValues(Broken):
    """Branches on what a compiled program does not know, and reckons in NumPy alone."""

    def observe(self, own, seen, learnt):
        return np.where(float(own[0]) > 0, np.asarray(own), 0.5)
