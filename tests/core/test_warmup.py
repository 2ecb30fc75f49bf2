"""Warm-up as a whole: what it learns, when, from whom, and that nothing moves afterwards."""

from functools import partial

import numpy as np
import pytest

from fhl_ppl.core import tuning as tuning_rules
from fhl_ppl.core import warmup
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.metrics import dense_fit as estimates
from fhl_ppl.core.state import State
from tests.loops import draw, fori_loop
from tests.plans import make_plan
from tests.targets import FORCES, TARGETS, with_force

NUM_WARMUP = 400


def paper_plan(num_warmup=NUM_WARMUP, **changes):
    """Of trajectories with leapfrog steps alone."""
    paper = {"target_accept_prob": 0.8, "estimate_centre": None, "jumps": False}
    return make_plan(num_warmup, **{**paper, **changes})


class Run:
    """A run of 8 particles in groups of 4 that keeps what it sees."""

    def __init__(self, plan, coupling="alternate", force="right", target="gaussian", step_size=1.0):
        self.plan, self.rng = plan, np.random.default_rng(6)
        self.coupling = COUPLINGS[coupling]
        self.target = TARGETS[target]
        self.evaluate = with_force(self.target, FORCES[force])
        position = 3 * self.rng.standard_normal((8, 3))
        self.groups = make_groups(8, 4, like=position)
        self.state = State(position, *self.evaluate(position))
        inverse = np.eye(3) if plan.dense else np.ones(3)
        self.adaptation = warmup.start(plan, self.state, np.asarray(step_size), inverse)
        self.iteration, self.tunings, self.infos = 0, [], []

    def go(self, iterations):
        for _ in range(iterations):
            draws, number = draw(self.rng, 8, 3), np.asarray(self.iteration)
            tuning = tuning_rules.tune(self.plan, self.adaptation, self.groups, number, draws)
            with np.errstate(over="ignore", invalid="ignore"):
                self.state, info = transition(
                    self.state,
                    draws,
                    tuning,
                    self.groups,
                    self.coupling,
                    self.evaluate,
                    fori_loop,
                )
                if self.iteration < self.plan.num_warmup:
                    self.adaptation = warmup.update(
                        self.plan,
                        self.adaptation,
                        self.groups,
                        number,
                        draws,
                        self.state,
                        info,
                        PYTHON,
                    )
            self.tunings.append(tuning)
            self.infos.append(info)
            self.iteration += 1
        return self


def acceptance_of(infos):
    return np.mean(np.concatenate([info.accept_prob[info.is_free] for info in infos]))


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("estimate", ["from_scores", "from_positions"])
def test_a_warm_up_tunes_itself(coupling, estimate):
    plan = paper_plan(estimate_metric=getattr(estimates, estimate))
    run = Run(plan, coupling).go(NUM_WARMUP + 200)
    inverse = run.adaptation.metric.inverse_mass_matrix
    spectrum = np.linalg.eigvals(inverse @ run.target.precision).real
    off = 1.05 if estimate == "from_scores" else 2.0
    assert 1 / off < spectrum.min() <= spectrum.max() < off
    # The harmonic mean is at the target, the plain one a little above it.
    assert 0.72 < acceptance_of(run.infos[NUM_WARMUP:]) < 0.97
    # With the right gradient hardly any pull pays.
    assert run.adaptation.mixture.weight[0] > 0.5
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
    run = Run(plan, coupling, force="zero").go(NUM_WARMUP)
    assert run.adaptation.mixture.weight[0] < 0.2


def assert_nothing_changes(run):
    # A tuning differs from the next one only by the jitter and the draw of the strength.
    plan, adaptation = run.plan, run.adaptation
    run.go(40)
    for before, after in zip(_leaves(adaptation), _leaves(run.adaptation), strict=True):
        np.testing.assert_array_equal(before, after)
    late = run.tunings[plan.num_warmup :]
    longest = np.exp(adaptation.step.log_average)
    assert all(0 < t.step_size <= longest * (1 + 1e-12) for t in late)
    kappa = {round(float(s), 9) for t in late for s in t.pulling_strength * _length(t) ** 2}
    allowed = adaptation.mixture.kappa[adaptation.mixture.weight > 0]
    assert kappa <= set(np.round(allowed, 9))


def _length(tuning):
    return tuning.step_size * tuning.num_steps


def _leaves(tree):
    return [
        leaf for part in tree for leaf in (_leaves(part) if isinstance(part, tuple) else [part])
    ]


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_after_warm_up_nothing_changes(coupling):
    assert_nothing_changes(Run(paper_plan(60), coupling).go(60))


def test_going_on_to_adapt_is_noticed():
    run = Run(paper_plan(60)).go(60)
    run.plan = run.plan._replace(num_warmup=90)
    with pytest.raises(AssertionError):
        assert_nothing_changes(run)


def test_tuning_looks_at_no_state_and_ties_a_group_together():
    run = Run(paper_plan(60)).go(30)
    mixture = run.adaptation.mixture._replace(weight=np.full(5, 0.2))
    adaptation = run.adaptation._replace(mixture=mixture)
    draws = draw(np.random.default_rng(7), 8, 3)
    tune = partial(tuning_rules.tune, run.plan, adaptation, run.groups, np.asarray(31))
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
        for one, two in zip(_leaves(tuning), _leaves(other), strict=True):
            np.testing.assert_array_equal(one, two)
    assert seen == set(adaptation.mixture.kappa)


def test_the_end_of_a_window_renews_the_metric_and_restarts_the_rest():
    plan = paper_plan(60, window_ends=(20, 50))
    run = Run(plan).go(19)
    young = run.adaptation
    np.testing.assert_array_equal(young.metric.inverse_mass_matrix, np.eye(3))
    assert young.positions.count == young.gradients.count == 19 * 8
    renewed = run.go(1).adaptation
    assert (renewed.metric.inverse_mass_matrix != np.eye(3)).any()
    assert renewed.positions.count == renewed.gradients.count == 0
    assert renewed.step.count == renewed.scale.count == 0
    assert renewed.step.log_step_size == renewed.step.log_average
    assert run.go(29).adaptation.metric is renewed.metric
    later = run.go(1).adaptation
    assert (later.metric.inverse_mass_matrix != renewed.metric.inverse_mass_matrix).any()
    assert run.go(9).adaptation.step.count == 9


def test_a_metric_that_is_no_number_is_not_taken():
    def nonsense(positions, gradients, draws):
        return estimates.from_scores(positions, gradients)._replace(
            mass_matrix=np.full((3, 3), np.nan)
        )

    run = Run(paper_plan(60, estimate_metric=nonsense)).go(60)
    np.testing.assert_array_equal(run.adaptation.metric.inverse_mass_matrix, np.eye(3))


def test_particles_that_never_differed_leave_the_metric_as_it_is():
    run = Run(paper_plan(12, window_ends=(11,)))
    run.evaluate = lambda q: (np.full(8, np.nan), np.zeros_like(q))
    run.state = State(np.ones((8, 3)), np.zeros(8), np.zeros((8, 3)))
    with np.errstate(divide="ignore", invalid="ignore"):
        run.go(12)
    np.testing.assert_array_equal(run.state.position, 1)
    np.testing.assert_array_equal(run.adaptation.metric.inverse_mass_matrix, np.eye(3))


def test_what_is_given_is_kept():
    plan = paper_plan(
        60, adapt_step_size=False, estimate_metric=None, num_steps=3, pulling_strength=0.5
    )
    run = Run(plan, step_size=0.2).go(70)
    for tuning in run.tunings:
        np.testing.assert_allclose(tuning.step_size, 0.2, rtol=1e-12)
        assert tuning.num_steps == 3
        np.testing.assert_array_equal(tuning.pulling_strength, 0.5)
        np.testing.assert_array_equal(tuning.metric.inverse_mass_matrix, np.eye(3))


def test_a_given_length_is_kept_without_jitter():
    plan = paper_plan(60, trajectory_length=1.5, max_num_steps=1000)
    run = Run(plan).go(80)
    longest = np.exp(run.adaptation.step.log_average)
    for tuning in run.tunings[60:]:
        assert tuning.num_steps == np.ceil(1.5 / longest)
        np.testing.assert_allclose(_length(tuning), 1.5, rtol=1e-12)


def test_a_planned_strength_of_zero_is_none_at_all():
    run = Run(paper_plan(20, pulling_strength=0.0)).go(20)
    assert {tuning.pulling_strength for tuning in run.tunings} == {None}
    assert all(info.is_free.all() for info in run.infos)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.05), (3.0, np.inf), (0.2, 0.3)])
def test_step_sizes_stay_within_their_bounds(low, high):
    run = Run(paper_plan(60, min_step_size=low, max_step_size=high)).go(60)
    assert all(low <= tuning.step_size <= high for tuning in run.tunings)


def test_steps_of_many_iterations_are_those_of_each():
    run = Run(paper_plan(60)).go(60)
    numbers = np.arange(50, 90)
    step_size, num_steps = tuning_rules.tune_steps(run.plan, run.adaptation, numbers)
    each = [tuning_rules.tune_steps(run.plan, run.adaptation, np.asarray(k)) for k in numbers]
    assert len({float(steps) for _, steps in each}) > 1
    np.testing.assert_array_equal(np.stack([step_size, num_steps], 1), each)


@pytest.mark.parametrize("strength", [None, 0.5])
def test_the_step_size_is_tuned_on_particles_that_no_pull_acted_on(strength):
    plan = paper_plan(60, pulling_strength=strength)
    draws = draw(np.random.default_rng(9), 8, 3)
    run = Run(plan, "alternate").go(5)
    info = run.infos[-1]._replace(is_free=np.arange(8) % 2 == 0)

    def learnt(accept_prob):
        return warmup.update(
            plan,
            run.adaptation,
            run.groups,
            np.asarray(5),
            draws,
            run.state,
            info._replace(accept_prob=accept_prob),
            PYTHON,
        ).step.log_step_size

    free, pulled = np.arange(8) % 2 == 0, np.arange(8) % 2 == 1
    base = np.full(8, 0.5)
    assert learnt(np.where(pulled, 0.1, base)) == learnt(base)
    assert learnt(np.where(free, 0.1, base)) < learnt(base)


def test_where_all_are_pulled_by_a_given_strength_all_tune_the_step_size():
    run = Run(paper_plan(60, pulling_strength=0.5), "joint").go(60)
    assert not any(info.is_free.any() for info in run.infos)
    assert run.adaptation.step.count > 0
    assert 0.5 < np.mean([info.accept_prob.mean() for info in run.infos[50:]]) < 0.99


def test_where_the_mixture_pulls_all_nobody_tunes_the_step_size():
    run = Run(paper_plan(60), "joint").go(5)
    info = run.infos[-1]._replace(is_free=np.full(8, False))
    draws = draw(np.random.default_rng(9), 8, 3)
    after = warmup.update(
        run.plan, run.adaptation, run.groups, np.asarray(5), draws, run.state, info, PYTHON
    )
    np.testing.assert_array_equal(_leaves(after.step), _leaves(run.adaptation.step))
