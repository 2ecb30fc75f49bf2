"""A chain that is lost must not be listened to, or warm-up is lost with it."""

import numpy as np
import pytest

from fhl_ppl.core.learners import strays
from fhl_ppl.core.state import State
from fhl_ppl.core.target import Plain, state_at
from tests.plans import make_plan
from tests.runs import Run

DIM = 3
SCALES = np.array([0.1, 1.0, 10.0])


def explosive(position):
    """A Gaussian, and beyond 30 standard deviations an energy of exp(distance)."""
    whitened = position / SCALES
    distance = np.sqrt(np.sum(whitened**2, axis=1))
    beyond = np.maximum(distance - 30, 0)
    slope = np.exp(beyond) - 1
    gradient = whitened * (1 + (slope / np.maximum(distance, 1))[:, None])
    return distance**2 / 2 + np.exp(beyond) - 1 - beyond, gradient / SCALES


TARGET = Plain(explosive)


def test_a_stray_is_told_by_its_energy():
    state = State(np.zeros((4, 2)), np.array([5.0, 7.0, 22.0, np.inf]), np.zeros((4, 2)))
    np.testing.assert_array_equal(strays.is_stray(state), [False, False, True, True])


def test_draws_are_no_strays():
    """Of a Gaussian in 3 dimensions; 19 above the lowest of 4 has a chance of some 1e-8."""
    rng = np.random.default_rng(1)
    for _ in range(1000):
        assert not strays.is_stray(state_at(TARGET, SCALES * rng.standard_normal((4, DIM)))).any()


def test_strays_are_put_where_the_best_is():
    position = np.arange(6.0).reshape(3, 2)
    state = State(position, np.array([100.0, 1.0, 2.0]), 2 * position)
    gathered = strays.without_strays(state)
    np.testing.assert_array_equal(gathered.position, position[[1, 1, 2]])
    np.testing.assert_array_equal(gathered.gradient, 2 * position[[1, 1, 2]])
    np.testing.assert_array_equal(gathered.potential_energy, [1.0, 1.0, 2.0])


def warm_up(monkeypatch, listens, num_warmup=300):
    """Three particles start among the draws, and one where no step is short enough for it."""
    if listens:
        monkeypatch.setattr(strays, "is_far", lambda energy, lowest, dim: energy > np.inf)
    rng = np.random.default_rng(5)
    position = SCALES * rng.standard_normal((4, DIM))
    position[3] = [0.0, 200.0, 0.0]
    # Without approaches it stays where it is.
    plan = make_plan(num_warmup, max_num_steps=1024, jumps=())
    run = Run(plan, explosive, position, rng).go(num_warmup)
    spent = sum(float(info.num_steps) for info in run.infos)
    return spent, np.diag(run.learnt["metric"].inverse_mass_matrix), run.state


def test_a_stray_leaves_the_others_alone(monkeypatch):
    spent, variance, state = warm_up(monkeypatch, listens=False)
    assert strays.is_stray(state)[3]
    assert spent < 3 * 300
    np.testing.assert_allclose(variance, SCALES**2, rtol=0.1)


def test_listened_to_it_does_not(monkeypatch):
    """Break it on purpose."""
    spent, variance, _ = warm_up(monkeypatch, listens=True)
    assert spent > 5 * 300 or np.any(np.abs(np.log(variance / SCALES**2)) > 1)


@pytest.mark.parametrize("count", [1, 5])
def test_any_number_of_particles(count):
    state = state_at(TARGET, np.ones((count, DIM)))
    np.testing.assert_array_equal(strays.without_strays(state).position, state.position)
