"""Every jump leaves the target invariant; near misses of it do not.

As in `tests.invariance.test_couplings`, see `tests.invariance.exact_draws`: exact draws are moved a
few times, and every moment is compared with what it was. All that is fitted is wrong on purpose, so
that the Metropolis test has something to put right. A new move is tested here without a line more;
its broken twins are asked for, in a file of `tests.invariance.mutants`.
"""

from itertools import product
from typing import NamedTuple

import pytest

from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.iteration import Tuning
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.moves import approach as approach_module
from fhl_ppl.core.moves import choice as choice_module
from tests.invariance.exact_draws import (
    GROUPINGS,
    METRICS,
    assert_caught,
    assert_invariant,
    follow,
    marked,
    place,
    z_threshold,
)
from tests.invariance.jumping import (
    make_fitted,
    make_modes,
    make_reference,
    mixed,
    mutants,
    only,
    with_jumps,
    with_step_size,
)
from tests.invariance.mutants.broken import Broken, among_moving, uncorrected
from tests.targets import TARGETS

TURNS = (0.3, 0.6, 0.9)
"""One for each iteration."""
MIXED = {f"mixed, {coupling}": coupling for coupling in COUPLINGS}


class JumpCase(NamedTuple):
    """A jump, or all of them mixed with trajectories."""

    move: str
    grouping: str
    metric: str
    target: str


GRID = [JumpCase(*cell) for cell in product((*JUMPS, *MIXED), GROUPINGS, METRICS, TARGETS)]
Z_THRESHOLD = z_threshold(len(GRID) + len(TARGETS))


def run_jump(case, seed, **settings):
    """One jump over and over, or the mixture as it runs after warm-up."""
    target, fitted = TARGETS[case.target], make_fitted(TARGETS[case.target], case.metric)
    metric, homes = make_metric(METRICS[case.metric]), make_modes(target.mean, target.covariance)

    def one_kind(iteration, draws, groups):
        choice = only(case.move, len(draws.role), TURNS[iteration], fitted, homes)
        return with_jumps(Tuning(0.1, 1, None, metric), choice)

    if case.move not in MIXED:
        return follow(target, case.grouping, one_kind, seed, **settings)

    def all_kinds(step_size, seed, **settings):
        tuning = Tuning(step_size, 3, 1.0, metric, make_reference(target))
        return follow(
            target,
            case.grouping,
            lambda k, draws, groups: with_jumps(tuning, mixed(fitted, k, draws, homes)),
            seed,
            MIXED[case.move],
            iterations=5,
            **settings,
        )

    return all_kinds(with_step_size(all_kinds), seed, **settings)


def is_quick(case):
    """Every move meets every grouping, in one of the two metrics and on one of the two targets."""
    turn = place((*JUMPS, *MIXED), case.move) + place(GROUPINGS, case.grouping)
    return (place(METRICS, case.metric), place(TARGETS, case.target)) == (turn % 2, turn // 2 % 2)


@pytest.mark.parametrize(("seed", "case"), marked(GRID, is_quick))
def test_exact_draws_stay_exact_under_jumps(seed, case):
    assert_invariant(run_jump(case, seed), Z_THRESHOLD)


@pytest.mark.parametrize("name", JUMPS)
def test_every_move_has_a_broken_twin(name):
    assert mutants(name), f"write the broken twins of {name!r}, see tests.invariance.jumping"


JUMP = JumpCase("rotation", "4", "dense", "skewed")
TWINS = [(name, what) for name in JUMPS for what in mutants(name)]


@pytest.mark.parametrize(
    ("name", "what"), [(name, what) for name in JUMPS for what in mutants(name)]
)
def test_a_broken_twin_is_caught(name, what, monkeypatch):
    monkeypatch.setitem(JUMPS, name, Broken(JUMPS[name], mutants(name)[what]))
    assert_caught(run_jump(JUMP._replace(move=name), 1), Z_THRESHOLD)


@pytest.mark.parametrize(
    ("move", "names", "wrong"),
    [
        ("mixed, alternate", ("renewal", "rotation", "mean rotation"), uncorrected),
        ("mixed, joint", ("difference", "leap"), among_moving),
    ],
)
def test_broken_twins_are_caught_among_others(move, names, wrong, monkeypatch):
    for name in names:
        monkeypatch.setitem(JUMPS, name, Broken(JUMPS[name], wrong))
    assert_caught(run_jump(JUMP._replace(move=move), 1), Z_THRESHOLD)


# Followers far above their leader choose otherwise. Of exact draws none are, so here most are.

FAR = JumpCase("mixed, alternate", "5 as 3+2", "dense", "skewed")


@pytest.fixture
def _far(monkeypatch):
    monkeypatch.setattr(approach_module, "FAR", 0.7 - 3 * approach_module.SHIFT)


@pytest.mark.usefixtures("_far")
@pytest.mark.parametrize("target", TARGETS)
def test_exact_draws_stay_exact_where_most_followers_are_far(target):
    assert_invariant(run_jump(FAR._replace(target=target), 1), Z_THRESHOLD)


@pytest.mark.usefixtures("_far")
@pytest.mark.parametrize("factor", [0, -1])
def test_choosing_by_energy_with_a_wrong_correction_is_caught(factor, monkeypatch):
    log_tilt = choice_module.log_tilt
    monkeypatch.setattr(choice_module, "log_tilt", lambda *args: factor * log_tilt(*args))
    # Without any the approach and the other jumps err in opposite ways, which takes more to see.
    num_groups = 60_000 if factor else 360_000
    assert_caught(run_jump(FAR, 1, num_groups=num_groups), Z_THRESHOLD)
