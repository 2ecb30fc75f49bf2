"""Jumps and split steps leave the target invariant; near misses of them do not.

As in `tests.core.test_exactness`, see `tests.core.invariance`: exact draws are moved a few times,
and every moment is compared with what it was. All that is fitted is wrong on purpose, so that the
Metropolis test has something to put right.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import norm

from fhl_ppl.core import jump as jump_module
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.iteration import Tuning
from fhl_ppl.core.learners import move_shares as moves
from fhl_ppl.core.metrics import velocity
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.moves import approach as approach_module
from fhl_ppl.core.moves.choice import Choice
from fhl_ppl.core.moves.move import FittedGaussian
from fhl_ppl.core.trajectory import leapfrog as leapfrog_module
from fhl_ppl.core.trajectory.reference import Reference
from tests.core.invariance import (
    FALSE_ALARM_RATE,
    GROUPINGS,
    METRICS,
    MIN_ACCEPTANCE,
    NUM_MOMENTS,
    follow,
)
from tests.targets import FORCES, TARGETS, with_force

TURNS = (0.3, 0.6, 0.9)
"""One for each iteration."""
OFF = np.array([0.6, -0.5, 0.4])
"""From the mean to what is taken for it."""
LARGEST_STEP_SIZE = 0.6

MIXED = {f"mixed, {coupling}": coupling for coupling in COUPLINGS}


class JumpCase(NamedTuple):
    """A jump, or all of them mixed with trajectories."""

    move: str
    grouping: str
    metric: str
    target: str


class SplitCase(NamedTuple):
    """Trajectories with a wrong reference."""

    coupling: str
    strength: float
    force: str
    metric: str
    target: str


JUMP_GRID = [JumpCase(*cell) for cell in product((*JUMPS, *MIXED), GROUPINGS, METRICS, TARGETS)]
SPLIT_GRID = [SplitCase(*cell) for cell in product(COUPLINGS, (0.0, 1.0), FORCES, METRICS, TARGETS)]
NUM_CASES = len(JUMP_GRID) + len(SPLIT_GRID) + 1 + len(TARGETS)
Z_THRESHOLD = float(norm.isf(FALSE_ALARM_RATE / (NUM_MOMENTS * NUM_CASES) / 2))
"""Bonferroni's threshold for |z|: a correct library fails anywhere in this file, `slow` included,
with a probability of at most `FALSE_ALARM_RATE`, were the seeds drawn anew."""


def make_reference(target):
    """Off in its centre, in its covariance (by the metric) and in its strength."""
    return Reference(target.mean - OFF, np.asarray(0.8))


def make_pool(target, metric):
    covariance = METRICS[metric] * 1.3
    return FittedGaussian(target.mean + OFF, make_metric(covariance), np.eye(3)[0], np.asarray(1.0))


def with_step_size(go):
    """`go` with the largest step size of those at which something moves."""
    step_size = LARGEST_STEP_SIZE
    while go(step_size, 0, num_groups=500).acceptance < MIN_ACCEPTANCE:
        step_size *= 0.7
    return step_size


def run_jump(case, seed, **settings):
    """One jump over and over, or the mixture as it runs after warm-up."""
    target, pool = TARGETS[case.target], make_pool(TARGETS[case.target], case.metric)
    metric = make_metric(METRICS[case.metric])

    def one_kind(iteration, draws, groups):
        chosen = np.zeros((len(draws.role), len(JUMPS)), dtype=bool)
        chosen[:, JUMPS.index(case.move)] = True
        hop = Choice(1, chosen, chosen, np.zeros(len(JUMPS)), TURNS[iteration], pool)
        return Tuning(0.1, 1, None, metric, jump=hop)

    if case.move not in MIXED:
        return follow(target, case.grouping, one_kind, seed, **settings)

    def mixed(step_size, seed, **settings):
        weight = np.array([0.4] + [0.6 / len(JUMPS)] * len(JUMPS))
        mixture = moves.start(np.array(1.0))._replace(weight=weight)

        def mixed_kinds(iteration, draws, groups):
            hop = moves.tune_jump(mixture, pool, np.asarray(iteration + 1), draws.strength)
            return Tuning(step_size, 3, 1.0, metric, make_reference(target), jump=hop)

        # Iterations 1, 3 and 4 are of jumps, 2 and 5 of trajectories.
        return follow(
            target,
            case.grouping,
            mixed_kinds,
            seed,
            MIXED[case.move],
            iterations=5,
            **settings,
        )

    return mixed(with_step_size(mixed), seed, **settings)


def run_split(case, seed):
    target = TARGETS[case.target]
    metric, reference = make_metric(METRICS[case.metric]), make_reference(target)

    def go(step_size, seed, **settings):
        tuning = Tuning(step_size, 4, case.strength, metric, reference)
        return follow(
            target,
            "5 as 3+2",
            lambda *_: tuning,
            seed,
            case.coupling,
            evaluate=with_force(target, FORCES[case.force]),
            **settings,
        )

    # Wrong variants have to be no slower.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leapfrog_module, "drift", drift_as_is)
        step_size = with_step_size(go)
    return go(step_size, seed)


drift_as_is = leapfrog_module.drift


def assert_invariant(outcome):
    assert outcome.acceptance > MIN_ACCEPTANCE / 2, "nothing moved, so nothing was tested"
    assert outcome.worst < Z_THRESHOLD, outcome


def place(values, value):
    return list(values).index(value)


def is_quick_jump(case):
    """Every move meets every grouping, in one of the two metrics and on one of the two targets."""
    turn = place((*JUMPS, *MIXED), case.move) + place(GROUPINGS, case.grouping)
    return (place(METRICS, case.metric), place(TARGETS, case.target)) == (turn % 2, turn // 2 % 2)


def is_quick_split(case):
    """Every coupling meets every force, pulled and on the skewed target."""
    turn = place(COUPLINGS, case.coupling) + place(FORCES, case.force)
    return case.strength > 0 and case.target == "skewed" and place(METRICS, case.metric) == turn % 2


def marked(grid, is_quick):
    return [
        pytest.param(
            seed,
            case,
            id="-".join(map(str, case)),
            marks=() if is_quick(case) else pytest.mark.slow,
        )
        for seed, case in enumerate(grid)
    ]


@pytest.mark.parametrize(("seed", "case"), marked(JUMP_GRID, is_quick_jump))
def test_exact_draws_stay_exact_under_jumps(seed, case):
    assert_invariant(run_jump(case, seed))


@pytest.mark.parametrize(("seed", "case"), marked(SPLIT_GRID, is_quick_split))
def test_exact_draws_stay_exact_under_split_steps(seed, case):
    assert_invariant(run_split(case, seed))


def assert_caught(outcome):
    with pytest.raises(AssertionError, match=r"Outcome\("):
        assert_invariant(outcome)


# Wrong jumps, by what they put in the place of a function of `fhl_ppl.core.jump`.

rotate = jump_module.rotate
partner_difference = jump_module.partner_difference
weighted_mean = jump_module._weighted_mean


def uncorrected(*args):
    """The test is on the posterior alone, as if the rotation were symmetric."""
    turned, correction = rotate(*args)
    return turned, 0 * correction


approach = approach_module.approach


def without_the_volume(centre, position, noise):
    """That the line shrinks in every dimension is left out."""
    closer, correction = approach(centre, position, noise)
    log_scale = approach_module.SPREAD * noise - approach_module.SHIFT
    return closer, correction - position.shape[1] * log_scale


def without_the_way_back(centre, position, noise):
    """As if z and 1 / z were as likely."""
    closer, _ = approach(centre, position, noise)
    log_scale = approach_module.SPREAD * noise - approach_module.SHIFT
    return closer, position.shape[1] * log_scale


def of_moving_partners(groups, is_scout, role, position):
    """The difference of two followers."""
    return partner_difference(groups, ~is_scout, role, position)


def mean_of_all(groups, state, leader, is_scout):
    """The mean takes in the followers."""
    return weighted_mean(groups, state, leader, is_scout | True)


JUMP = JumpCase("rotation", "4", "dense", "skewed")


@pytest.mark.parametrize(
    ("move", "name", "wrong"),
    [
        *((move, "rotate", uncorrected) for move in ("renewal", "rotation", "mean rotation")),
        ("approach", "approach", without_the_volume),
        ("approach", "approach", without_the_way_back),
        ("difference", "partner_difference", of_moving_partners),
        ("leap", "partner_difference", of_moving_partners),
        ("mean rotation", "_weighted_mean", mean_of_all),
        ("mixed, alternate", "rotate", uncorrected),
        ("mixed, joint", "partner_difference", of_moving_partners),
    ],
)
def test_a_wrong_jump_is_caught(move, name, wrong, monkeypatch):
    monkeypatch.setattr(jump_module, name, wrong)
    assert_caught(run_jump(JUMP._replace(move=move), 1))


# Followers far above their leader choose otherwise. Of exact draws none are, so here most are.

FAR = JumpCase("mixed, alternate", "5 as 3+2", "dense", "skewed")


@pytest.fixture
def _far(monkeypatch):
    monkeypatch.setattr(approach_module, "FAR", 0.7 - 3 * approach_module.SHIFT)


@pytest.mark.usefixtures("_far")
@pytest.mark.parametrize("target", TARGETS)
def test_exact_draws_stay_exact_where_most_followers_are_far(target):
    assert_invariant(run_jump(FAR._replace(target=target), 1))


@pytest.mark.usefixtures("_far")
@pytest.mark.parametrize("factor", [0, -1])
def test_choosing_by_energy_with_a_wrong_correction_is_caught(factor, monkeypatch):
    log_tilt = moves.log_tilt
    monkeypatch.setattr(moves, "log_tilt", lambda mixture: factor * log_tilt(mixture))
    # Without any the approach and the other jumps err in opposite ways, which takes more to see.
    assert_caught(run_jump(FAR, 1, num_groups=60_000 if factor else 360_000))


@pytest.mark.parametrize("move", ["difference", "leap"])
def test_one_sign_for_all_followers_is_caught(move, monkeypatch):
    # Each by itself jumps either way as often, but given the sign nobody's jump is symmetric.
    noise = []

    def watched(*args):
        noise[:] = args[-1:]
        return rotate(*args)

    def of_one_sign(*args):
        return partner_difference(*args) * np.sign(noise[0][:, :1])

    monkeypatch.setattr(jump_module, "rotate", watched)
    monkeypatch.setattr(jump_module, "partner_difference", of_one_sign)
    assert_caught(run_jump(JUMP._replace(move=move), 1))


# Wrong split steps.


def without_turning_the_momentum(turn, metric, position, momentum, restoring):
    position, _ = drift_as_is(turn, metric, position, momentum, restoring)
    return position, momentum


def without_turning_the_position(turn, metric, position, momentum, restoring):
    _, turned = drift_as_is(turn, metric, position, momentum, restoring)
    return position + turn.time * velocity(metric, momentum), turned


def reversed_restoring(turn, metric, position, momentum, restoring):
    """The quadratic's force is given to the drift with the wrong sign."""
    return drift_as_is(turn, metric, position, momentum, -restoring)


SPLIT = SplitCase("alternate", 1.0, "right", "dense", "skewed")


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize(
    "wrong", [without_turning_the_momentum, without_turning_the_position, reversed_restoring]
)
def test_a_wrong_drift_is_caught(wrong, coupling, monkeypatch):
    monkeypatch.setattr(leapfrog_module, "drift", wrong)
    assert_caught(run_split(SPLIT._replace(coupling=coupling), 1))


def test_kicks_that_add_the_reference_instead_of_taking_it_off_are_harmless(monkeypatch):
    # They shift p by a function of q all the same: less is accepted, that is all.
    restoring_force = leapfrog_module.restoring_force
    right = run_split(SPLIT, 1)
    monkeypatch.setattr(leapfrog_module, "restoring_force", lambda *args: -restoring_force(*args))
    monkeypatch.setattr(leapfrog_module, "drift", reversed_restoring)
    outcome = run_split(SPLIT, 1)
    assert_invariant(outcome)
    assert outcome.acceptance < right.acceptance - 0.1
