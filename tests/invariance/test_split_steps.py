"""Split steps leave the target invariant; near misses of them do not.

As in `tests.invariance.test_couplings`, see `tests.invariance.exact_draws`: exact draws are moved a
few times, and every moment is compared with what it was. The reference is wrong on purpose, so that
the Metropolis test has something to put right.
"""

from itertools import product
from typing import NamedTuple

import pytest

from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.iteration import Tuning
from fhl_ppl.core.metrics import velocity
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.target import Plain
from fhl_ppl.core.trajectory import leapfrog as leapfrog_module
from tests.invariance.exact_draws import (
    METRICS,
    assert_caught,
    assert_invariant,
    follow,
    marked,
    place,
    z_threshold,
)
from tests.invariance.jumping import make_reference, with_step_size
from tests.targets import FORCES, TARGETS, with_force


class SplitCase(NamedTuple):
    """Trajectories with a wrong reference."""

    coupling: str
    strength: float
    force: str
    metric: str
    target: str


GRID = [SplitCase(*cell) for cell in product(COUPLINGS, (0.0, 1.0), FORCES, METRICS, TARGETS)]
Z_THRESHOLD = z_threshold(len(GRID))


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
            force=Plain(with_force(target, FORCES[case.force])),
            **settings,
        )

    # Wrong variants have to be no slower.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leapfrog_module, "drift", drift_as_is)
        step_size = with_step_size(go)
    return go(step_size, seed)


drift_as_is = leapfrog_module.drift


def is_quick_split(case):
    """Every coupling meets every force, pulled and on the skewed target."""
    turn = place(COUPLINGS, case.coupling) + place(FORCES, case.force)
    return case.strength > 0 and case.target == "skewed" and place(METRICS, case.metric) == turn % 2


@pytest.mark.parametrize(("seed", "case"), marked(GRID, is_quick_split))
def test_exact_draws_stay_exact_under_split_steps(seed, case):
    assert_invariant(run_split(case, seed), Z_THRESHOLD)


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
    assert_caught(run_split(SPLIT._replace(coupling=coupling), 1), Z_THRESHOLD)


def test_kicks_that_add_the_reference_instead_of_taking_it_off_are_harmless(monkeypatch):
    # They shift p by a function of q all the same: less is accepted, that is all.
    restoring_force = leapfrog_module.restoring_force
    right = run_split(SPLIT, 1)
    monkeypatch.setattr(leapfrog_module, "restoring_force", lambda *args: -restoring_force(*args))
    monkeypatch.setattr(leapfrog_module, "drift", reversed_restoring)
    outcome = run_split(SPLIT, 1)
    assert_invariant(outcome, Z_THRESHOLD)
    assert outcome.acceptance < right.acceptance - 0.1
