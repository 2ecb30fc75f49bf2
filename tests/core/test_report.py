"""What is reported of a warm-up is what the iterations after it do."""

import numpy as np
import pytest

from fhl_ppl.core import report as module
from fhl_ppl.core import tuning as tuning_rules
from fhl_ppl.core.report import report
from fhl_ppl.core.sampler import make_sampler
from tests.runs import paper_plan, run_from_afar

NUM_WARMUP = 400
LATER = NUM_WARMUP + np.arange(4096)


def sampler_of(**changes):
    return make_sampler(paper_plan(NUM_WARMUP, **changes))


@pytest.fixture(scope="module")
def learnt():
    return run_from_afar(paper_plan(NUM_WARMUP)).go(NUM_WARMUP).learnt


def length_of(learnt):
    return sampler_of().learners["trajectory_length"].length(learnt["trajectory_length"])


def in_steps(learnt, steps):
    """The same with a step size of which so many make up T."""
    step = learnt["step_size"]._replace(log_step_size=np.log(length_of(learnt) / steps))
    return {**learnt, "step_size": step}


def share_cut_short(learnt, max_num_steps, **changes):
    """By what the iterations do with the cap and without."""
    capped, free = (
        tuning_rules.tune_steps(sampler_of(max_num_steps=cap, **changes), learnt, LATER, None)[1]
        for cap in (max_num_steps, 10**6)
    )
    return (capped < free).mean()


def check_share(learnt, max_num_steps, **changes):
    reported = report(sampler_of(max_num_steps=max_num_steps, **changes), learnt).capped
    expected = share_cut_short(learnt, max_num_steps, **changes)
    np.testing.assert_allclose(reported, expected, atol=1e-3)
    return reported


def test_the_share_of_trajectories_that_the_cap_cuts_short(learnt):
    # So that T is 4 steps, and 2.4 to 5.6 with the jitter.
    length, learnt = float(length_of(learnt)), in_steps(learnt, 4)
    shares = [check_share(learnt, cap) for cap in (1, 3, 4, 5, 6)]
    np.testing.assert_allclose(shares, [1, 2.6 / 3.2, 0.5, 0.6 / 3.2, 0], atol=1e-3)
    assert check_share(learnt, 3, trajectory_length=4 * length) == 1
    assert check_share(learnt, 8, trajectory_length=length) == 0


def test_the_check_notices_a_forgotten_jitter(learnt, monkeypatch):
    monkeypatch.setattr(module, "share_beyond", lambda bound, length: 1.0 * (length > bound))
    with pytest.raises(AssertionError):
        check_share(in_steps(learnt, 4), 5)


def test_step_size_and_length(learnt):
    found = report(sampler_of(), learnt)
    step_size, num_steps = tuning_rules.tune_steps(sampler_of(), learnt, LATER, None)
    assert (step_size <= found.step_size * (1 + 1e-12)).all()
    # The jitter is spread evenly about 1.
    np.testing.assert_allclose((step_size * num_steps).mean(), found.trajectory_length, rtol=1e-3)


def test_a_given_number_of_steps_is_not_capped(learnt):
    found = report(sampler_of(num_steps=100, max_num_steps=64), learnt)
    assert found.capped == 0
    np.testing.assert_allclose(found.trajectory_length, 100 * found.step_size)


def test_weights_are_those_of_the_mixtures(learnt):
    found = report(sampler_of(), learnt)
    np.testing.assert_allclose(found.pull_weight.sum(), 1)
    np.testing.assert_array_equal(found.kappa, learnt["pull"].kappa)
    shares = learnt["move_shares"]
    np.testing.assert_array_equal(found.move_weight, [*shares.kinds, *shares.jumps])
