"""Until the last window ends warm-up looks for a metric, as cheaply as it can."""

import numpy as np
import pytest

from fhl_ppl.core.learners import step_size, trajectory_length
from fhl_ppl.core.learners.trajectory_length import SEARCHING_LENGTH, TrajectoryLength
from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.plan import Kind
from tests.plans import make_plan
from tests.runs import Run

NUM_WARMUP = 300
PLAN = make_plan(NUM_WARMUP, max_num_steps=1024, jumps=tuple(JUMPS), target_accept_prob=0.9)
SCALES = 10.0 ** np.linspace(-3, 3, 6)


def badly_scaled(position):
    """A Gaussian whose scales differ by a million."""
    whitened = position / SCALES
    return np.sum(whitened**2, axis=1) / 2, whitened / SCALES


def start(plan=PLAN):
    """Four particles, two units away whatever the scales."""
    rng = np.random.default_rng(4)
    return Run(plan, badly_scaled, rng.uniform(-2, 2, (4, 6)), rng)


def spent(run):
    return sum(float(info.num_steps) for info in run.infos)


def test_a_bad_scale_is_found_cheaply():
    run = start().go(NUM_WARMUP)
    assert spent(run) < 3 * NUM_WARMUP
    np.testing.assert_allclose(
        np.diag(run.learnt["metric"].inverse_mass_matrix), SCALES**2, rtol=0.01
    )


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (trajectory_length, "EARLY_GROWTH", 0.5),
    ],
)
def test_each_part_saves(monkeypatch, module, name, value):
    """Break it on purpose: back to what was before."""
    cheap = spent(start().go(NUM_WARMUP))
    monkeypatch.setattr(module, name, value)
    assert spent(start().go(NUM_WARMUP)) > 1.1 * cheap


def test_trajectories_are_short_until_the_last_window_ends():
    learner, own = TrajectoryLength.of(PLAN), start().learnt["trajectory_length"]
    last = PLAN.window_ends[-1]
    for number, factor in ((last - 1, SEARCHING_LENGTH), (last, 1.0), (NUM_WARMUP, 1.0)):
        eta, count = learner.steps(own, np.asarray(0.5), None, np.asarray(number))
        full = trajectory_length.jittered(learner.length(own), np.asarray(number))
        np.testing.assert_allclose(eta * count, factor * full)


def test_kinds_and_given_lengths_are_as_long_as_ever():
    given = TrajectoryLength.of(PLAN._replace(trajectory_length=2.0))
    own = start().learnt["trajectory_length"]
    eta, count = given.steps(own, np.asarray(1.0), None, np.asarray(0))
    np.testing.assert_allclose(eta * count, 2.0)
    kinds = TrajectoryLength.of(PLAN._replace(kinds=(Kind(1, 0.3), Kind(4, 0.6))))
    eta, count = kinds.steps(own, np.ones(2), np.array([False, True]), np.asarray(0))
    full = trajectory_length.jittered(kinds.length(own), np.asarray(0))
    np.testing.assert_allclose(eta * count, full)


def test_a_new_metric_begins_with_a_long_step_but_the_last():
    tiny = step_size.start(np.asarray(-20.0))
    fresh = step_size.restart(tiny, is_last=np.asarray(False))
    np.testing.assert_allclose(np.exp(fresh.log_step_size), step_size.FRESH_STEP)
    kept = step_size.restart(tiny, is_last=np.asarray(True))
    np.testing.assert_allclose(kept.log_step_size, tiny.log_average)
