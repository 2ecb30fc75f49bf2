"""Warm-up as a whole: what it learns, when, from whom, and that nothing moves afterwards."""

from functools import partial

import numpy as np
import pytest

from fhl_ppl.core import tuning as tuning_rules
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.metrics import dense_fit as estimates
from fhl_ppl.core.state import State
from fhl_ppl.core.target import Plain
from fhl_ppl.core.warmup import learn, see
from tests.loops import draw
from tests.runs import leaves, paper_plan
from tests.runs import run_from_afar as begin
from tests.targets import TARGETS

NUM_WARMUP = 400


def acceptance_of(infos):
    return np.mean(np.concatenate([info.accept_prob[info.is_free] for info in infos]))


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("estimate", ["from_scores", "from_positions"])
def test_a_warm_up_tunes_itself(coupling, estimate):
    plan = paper_plan(NUM_WARMUP, estimate_metric=getattr(estimates, estimate))
    run = begin(plan, coupling).go(NUM_WARMUP + 200)
    inverse = run.learnt["metric"].inverse_mass_matrix
    spectrum = np.linalg.eigvals(inverse @ TARGETS["gaussian"].precision).real
    off = 1.05 if estimate == "from_scores" else 2.0
    assert 1 / off < spectrum.min() <= spectrum.max() < off
    # The harmonic mean is at the target, the plain one a little above it.
    assert 0.72 < acceptance_of(run.infos[NUM_WARMUP:]) < 0.97
    # With the right gradient hardly any pull pays.
    assert run.learnt["pull"].weight[0] > 0.5
    lengths = [t.step_size * t.num_steps for t in run.tunings[NUM_WARMUP:]]
    assert 0.5 < np.mean(lengths) < 3


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_without_a_gradient_pulls_are_found_to_pay(coupling):
    plan = paper_plan(
        NUM_WARMUP,
        estimate_metric=estimates.from_positions,
        num_steps=4,
        # At an acceptance of .8 the moves are so short that a pull has nothing to add to them.
        target_accept_prob=0.4,
    )
    run = begin(plan, coupling, "zero").go(NUM_WARMUP)
    assert run.learnt["pull"].weight[0] < 0.2


def assert_nothing_changes(run):
    # A tuning differs from the next one only by the jitter and the draw of the strength.
    learnt, mixture = run.learnt, run.learnt["pull"]
    run.go(40)
    for before, after in zip(leaves(learnt), leaves(run.learnt), strict=True):
        np.testing.assert_array_equal(before, after)
    late = run.tunings[-40:]
    longest = np.exp(learnt["step_size"].log_average)
    assert all(0 < t.step_size <= longest * (1 + 1e-12) for t in late)
    kappa = {round(float(s), 9) for t in late for s in t.pulling_strength * _length(t) ** 2}
    allowed = mixture.kappa[mixture.weight > 0]
    assert kappa <= set(np.round(allowed, 9))


def _length(tuning):
    return tuning.step_size * tuning.num_steps


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_after_warm_up_nothing_changes(coupling):
    assert_nothing_changes(begin(paper_plan(60), coupling).go(60))


def test_going_on_to_adapt_is_noticed():
    run = begin(paper_plan(60)).go(60)
    run.sampler = run.sampler._replace(num_warmup=90)
    with pytest.raises(AssertionError):
        assert_nothing_changes(run)


def test_tuning_looks_at_no_state_and_ties_a_group_together():
    run = begin(paper_plan(60)).go(30)
    mixture = run.learnt["pull"]._replace(weight=np.full(5, 0.2))
    learnt = {**run.learnt, "pull": mixture}
    draws = draw(np.random.default_rng(7), 8, 3)
    tune = partial(tuning_rules.tune, run.sampler, learnt, run.groups, np.asarray(31))
    seen = set()
    for uniform in np.linspace(0, 0.999, 50):
        strengths = draws.strength.copy()
        strengths[0], strengths[4] = uniform, 1 - uniform - 1e-9
        tuning = tune(draws._replace(strength=strengths))
        first, second = tuning.pulling_strength.reshape(2, 4)
        assert len(set(first)) == len(set(second)) == 1
        seen.add(round(float(first[0]) * _length(tuning) ** 2, 9))
        # Neither the momentum nor the roles nor the test have a say.
        other = tune(draw(np.random.default_rng(8), 8, 3)._replace(strength=strengths))
        for one, two in zip(leaves(tuning), leaves(other), strict=True):
            np.testing.assert_array_equal(one, two)
    assert seen == set(mixture.kappa)


def test_the_end_of_a_window_renews_the_metric_and_restarts_the_rest():
    plan = paper_plan(60, window_ends=(20, 50))
    run = begin(plan).go(19)
    young = run.learnt
    np.testing.assert_array_equal(young["metric"].inverse_mass_matrix, np.eye(3))
    assert young["moments"].positions.count == young["moments"].gradients.count == 19 * 8
    renewed = run.go(1).learnt
    assert (renewed["metric"].inverse_mass_matrix != np.eye(3)).any()
    assert renewed["moments"].positions.count == renewed["moments"].gradients.count == 0
    assert renewed["step_size"].count == renewed["trajectory_length"].count == 0
    assert renewed["step_size"].log_step_size == renewed["step_size"].log_average
    assert run.go(29).learnt["metric"] is renewed["metric"]
    later = run.go(1).learnt
    metrics = later["metric"], renewed["metric"]
    assert (metrics[0].inverse_mass_matrix != metrics[1].inverse_mass_matrix).any()
    assert run.go(9).learnt["step_size"].count == 9


def test_a_metric_that_is_no_number_is_not_taken():
    def nonsense(positions, gradients, draws):
        return estimates.from_scores(positions, gradients)._replace(
            mass_matrix=np.full((3, 3), np.nan)
        )

    run = begin(paper_plan(60, estimate_metric=nonsense)).go(60)
    np.testing.assert_array_equal(run.learnt["metric"].inverse_mass_matrix, np.eye(3))


def test_particles_that_never_differed_leave_the_metric_as_it_is():
    run = begin(paper_plan(12, window_ends=(11,)))
    run.target = Plain(lambda q: (np.full(8, np.nan), np.zeros_like(q)))
    run.state = State(np.ones((8, 3)), np.zeros(8), np.zeros((8, 3)))
    run.go(12)
    np.testing.assert_array_equal(run.state.position, 1)
    np.testing.assert_array_equal(run.learnt["metric"].inverse_mass_matrix, np.eye(3))


def test_what_is_given_is_kept():
    plan = paper_plan(
        60, adapt_step_size=False, estimate_metric=None, num_steps=3, pulling_strength=0.5
    )
    run = begin(plan, step_size=0.2).go(70)
    for tuning in run.tunings:
        np.testing.assert_allclose(tuning.step_size, 0.2, rtol=1e-12)
        assert tuning.num_steps == 3
        np.testing.assert_array_equal(tuning.pulling_strength, 0.5)
        np.testing.assert_array_equal(tuning.metric.inverse_mass_matrix, np.eye(3))


def test_a_given_length_is_kept_without_jitter():
    plan = paper_plan(60, trajectory_length=1.5, max_num_steps=1000)
    run = begin(plan).go(80)
    longest = np.exp(run.learnt["step_size"].log_average)
    for tuning in run.tunings[60:]:
        assert tuning.num_steps == np.ceil(1.5 / longest)
        np.testing.assert_allclose(_length(tuning), 1.5, rtol=1e-12)


def test_a_planned_strength_of_zero_is_none_at_all():
    run = begin(paper_plan(20, pulling_strength=0.0)).go(20)
    assert {tuning.pulling_strength for tuning in run.tunings} == {None}
    assert all(info.is_free.all() for info in run.infos)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.05), (3.0, np.inf), (0.2, 0.3)])
def test_step_sizes_stay_within_their_bounds(low, high):
    run = begin(paper_plan(60, min_step_size=low, max_step_size=high)).go(60)
    assert all(low <= tuning.step_size <= high for tuning in run.tunings)


def test_steps_of_many_iterations_are_those_of_each():
    run = begin(paper_plan(60)).go(60)
    numbers = np.arange(50, 90)
    step_size, num_steps = tuning_rules.tune_steps(run.sampler, run.learnt, numbers, None)
    each = [tuning_rules.tune_steps(run.sampler, run.learnt, np.asarray(k), None) for k in numbers]
    assert len({float(steps) for _, steps in each}) > 1
    np.testing.assert_array_equal(np.stack([step_size, num_steps], 1), each)


def after_another(run, info):
    """What a run knows of the step size after one more iteration in which `info` happened."""
    draws, number = draw(np.random.default_rng(9), 8, 3), np.asarray(run.iteration)
    tuning = tuning_rules.tune(run.sampler, run.learnt, run.groups, number, draws)
    seen = see(number, run.state, info, draws, tuning, run.groups, PYTHON)
    return learn(run.sampler, run.learnt, seen)[0]["step_size"]


@pytest.mark.parametrize("strength", [None, 0.5])
def test_the_step_size_is_tuned_on_particles_that_no_pull_acted_on(strength):
    run = begin(paper_plan(60, pulling_strength=strength), "alternate").go(5)
    free, pulled = np.arange(8) % 2 == 0, np.arange(8) % 2 == 1
    info = run.infos[-1]._replace(is_free=free)

    def learnt(accept_prob):
        return after_another(run, info._replace(step_accept_prob=accept_prob)).log_step_size

    base = np.full(8, 0.5)
    assert learnt(np.where(pulled, 0.1, base)) == learnt(base)
    assert learnt(np.where(free, 0.1, base)) < learnt(base)


def test_where_all_are_pulled_by_a_given_strength_all_tune_the_step_size():
    run = begin(paper_plan(60, pulling_strength=0.5), "joint").go(60)
    assert not any(info.is_free.any() for info in run.infos)
    assert run.learnt["step_size"].count > 0
    assert 0.5 < np.mean([info.accept_prob.mean() for info in run.infos[50:]]) < 0.99


def test_where_the_mixture_pulls_all_nobody_tunes_the_step_size():
    run = begin(paper_plan(60), "joint").go(5)
    info = run.infos[-1]._replace(is_free=np.full(8, False))
    np.testing.assert_array_equal(after_another(run, info), run.learnt["step_size"])
