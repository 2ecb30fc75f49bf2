"""Steps in the energy that the gradient does not see: found, lived with, and told from the rest."""

import numpy as np
import pytest

from fhl_ppl.core.learners import unseen_steps
from fhl_ppl.core.learners.metric import unless_steps
from fhl_ppl.core.learners.unseen_steps import (
    UnseenSteps,
    UnseenStepsLearner,
    cap,
    has_steps,
    target,
)
from fhl_ppl.core.metrics.dense_fit import from_scores
from fhl_ppl.core.moments import welford
from tests.plans import make_plan
from tests.runs import Run

NUM_WARMUP, DIM = 600, 3


def sums(power, least=0.01):
    """What a window in which eta sank from 1 to `least` leaves, if losses go as T eta^power."""
    at = np.log(np.geomspace(least, 1.0, 60))
    losses = 0.5 * np.exp(power * at)
    parts = losses, losses * at, np.ones(60), at, at**2
    return UnseenSteps(np.array([part.sum() for part in parts]), np.zeros(()), np.zeros(()))


def test_steps_are_told_by_losses_that_go_by_length_alone():
    assert has_steps(sums(0.0))
    assert not has_steps(sums(1.0))
    assert not has_steps(sums(2.0))


def test_nothing_is_found_in_little():
    assert not has_steps(sums(0.0)._replace(sums=sums(0.0).sums / 10))
    assert not has_steps(UnseenSteps(np.zeros(5), np.zeros(()), np.zeros(())))


@pytest.mark.parametrize(("least", "found"), [(0.05, False), (0.01, True)])
def test_nothing_is_found_where_eta_varied_little(least, found):
    # There are losses enough for either; log eta has a standard deviation of .9, or of 1.3.
    many = sums(0.0, least)
    assert has_steps(many._replace(sums=20 * many.sums)) == found


def test_windows_have_to_say_so_in_a_row():
    learner, told = UnseenStepsLearner(looks=True), []
    own = sums(0.0)
    for power in (0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0):
        own = learner.renew(own._replace(sums=sums(power).sums), None, {}, {})
        told.append((float(own.in_a_row), float(own.found)))
    assert told == [(1, 0), (2, 0), (0, 0), (1, 0), (2, 0), (3, 1), (0, 1)]


def stepped(position):
    """A Gaussian with a ridge, one higher, on every other tenth of the first coordinate."""
    ridge = np.floor(10 * position[:, 0]) % 2
    return (position**2).sum(1) / 2 + 2 * ridge, position


def rounded(position):
    """A Gaussian whose energies are rounded to even numbers."""
    return 2 * np.round((position**2).sum(1) / 4), position


def gaussian(position):
    return (position**2).sum(1) / 2, position


def funnel(position):
    """Neal's, with v ~ N(0, 3^2)."""
    v, x = position[:, :1], position[:, 1:]
    count = x.shape[1]
    square = (x**2).sum(1, keepdims=True) * np.exp(-v)
    energy = v**2 / 18 + square / 2 + count * v / 2
    slope = v / 9 - square / 2 + count / 2
    return energy[:, 0], np.concatenate([slope, x * np.exp(-v)], axis=1)


def run(evaluate, num_particles=8, seed=0, dim=DIM):
    rng = np.random.default_rng(seed)
    plan = make_plan(NUM_WARMUP, target_accept_prob=0.9, max_num_steps=1024)
    return Run(plan, evaluate, rng.standard_normal((num_particles, dim)), rng).go(NUM_WARMUP)


def check_cheap(run):
    """Trajectories are short in the end, and were so for most of warm-up."""
    run.go(50)
    assert max(info.num_steps for info in run.infos[-50:]) <= unseen_steps.SHORT.max_num_steps
    assert sum(info.num_steps for info in run.infos) < 6 * len(run.infos)


@pytest.mark.parametrize("evaluate", [stepped, rounded])
def test_steps_are_found_and_trajectories_kept_short(evaluate):
    found = run(evaluate)
    assert found.learnt["unseen_steps"].found == 1
    check_cheap(found)


def test_without_it_steps_shrink_without_end(monkeypatch):
    """The same run with nothing found fails that check."""
    monkeypatch.setattr(unseen_steps, "has_steps", lambda own: np.asarray(False))
    with pytest.raises(AssertionError):
        check_cheap(run(stepped))


@pytest.mark.parametrize(
    ("evaluate", "num_particles", "dim"), [(gaussian, 8, 3), (funnel, 8, 10), (funnel, 32, 3)]
)
def test_nothing_is_found_where_there_are_none(evaluate, num_particles, dim):
    assert run(evaluate, num_particles, dim=dim).learnt["unseen_steps"].found == 0


def test_what_is_then_aimed_at():
    trusted, found = (
        UnseenSteps(np.zeros(5), np.zeros(()), np.asarray(value)) for value in (0.0, 1.0)
    )
    assert np.isinf(cap(trusted))
    assert cap(found) == 4
    np.testing.assert_allclose(target(trusted, np.asarray(0.9)), 0.9)
    np.testing.assert_allclose(target(found, np.array([0.9, 0.3])), [0.6, 0.3])


@pytest.mark.parametrize("dense", [True, False])
def test_the_metric_has_the_scales_of_the_positions(rng, dense):
    scales = np.array([0.1, 1.0, 30.0])
    draws = rng.standard_normal((2000, 3)) * scales
    flat = welford.update(welford.empty(draws, dense), 0.01 * draws)
    positions = welford.update(welford.empty(draws, dense), draws)
    one = np.asarray(1.0)
    inverse = from_scores(positions, unless_steps(flat, positions, one)).inverse_mass_matrix
    found = np.diagonal(inverse) if dense else inverse
    np.testing.assert_allclose(found, draws.var(axis=0, ddof=1), rtol=0.02)
    kept = unless_steps(flat, positions, 0 * one)
    np.testing.assert_array_equal(kept.scatter, flat.scatter)
