"""What is reported of a warm-up is what the iterations after it do."""

import numpy as np
import pytest

from fhl_ppl.core import tuning as tuning_rules
from fhl_ppl.core.learners import trajectory_length as trajectory
from tests.core.test_warmup import NUM_WARMUP, Run, paper_plan

LATER = NUM_WARMUP + np.arange(4096)


@pytest.fixture(scope="module")
def learnt():
    run = Run(paper_plan())
    run.go(NUM_WARMUP)
    return run.adaptation


def share_cut_short(plan, adaptation):
    """By what the iterations do with the cap and without."""
    _, capped = tuning_rules.tune_steps(plan, adaptation, LATER)
    _, free = tuning_rules.tune_steps(plan._replace(max_num_steps=10**6), adaptation, LATER)
    return (capped < free).mean()


def check_share(adaptation, max_num_steps, **changes):
    plan = paper_plan(max_num_steps=max_num_steps, **changes)
    reported = settled(plan, adaptation).capped
    np.testing.assert_allclose(reported, share_cut_short(plan, adaptation), atol=1e-3)
    return reported


def test_the_share_of_trajectories_that_the_cap_cuts_short(learnt):
    # So that T is 4 steps, and 2.4 to 5.6 with the jitter.
    length = tuning_rules.trajectory_length(paper_plan(), learnt)
    step = learnt.step._replace(log_step_size=np.log(length / 4))
    learnt = learnt._replace(step=step)
    shares = [check_share(learnt, cap) for cap in (1, 3, 4, 5, 6)]
    np.testing.assert_allclose(shares, [1, 2.6 / 3.2, 0.5, 0.6 / 3.2, 0], atol=1e-3)
    assert check_share(learnt, 3, trajectory_length=4 * float(length)) == 1
    assert check_share(learnt, 8, trajectory_length=float(length)) == 0


def test_the_check_notices_a_forgotten_jitter(learnt, monkeypatch):
    length = tuning_rules.trajectory_length(paper_plan(), learnt)
    step = learnt.step._replace(log_step_size=np.log(length / 4))
    monkeypatch.setattr(trajectory, "share_beyond", lambda bound, length: 1.0 * (length > bound))
    with pytest.raises(AssertionError):
        check_share(learnt._replace(step=step), 5)


def test_step_size_and_length(learnt):
    plan = paper_plan()
    found = settled(plan, learnt)
    step_size, num_steps = tuning_rules.tune_steps(plan, learnt, LATER)
    assert (step_size <= found.step_size * (1 + 1e-12)).all()
    # The jitter is spread evenly about 1.
    np.testing.assert_allclose((step_size * num_steps).mean(), found.trajectory_length, rtol=1e-3)


def test_a_given_number_of_steps_is_not_capped(learnt):
    found = settled(paper_plan(num_steps=100, max_num_steps=64), learnt)
    assert found.capped == 0
    np.testing.assert_allclose(found.trajectory_length, 100 * found.step_size)


def test_weights_are_those_of_the_mixtures(learnt):
    found = settled(paper_plan(), learnt)
    np.testing.assert_allclose(found.pull_weight.sum(), 1)
    np.testing.assert_array_equal(found.kappa, learnt.mixture.kappa)
    np.testing.assert_array_equal(found.move_weight, learnt.moves.weight)
