"""Dual averaging finds the step size that gives the acceptance asked for, from anywhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from fhl_ppl.core.groups import group_sizes, make_groups
from fhl_ppl.core.learners.step_size import WORST, acceptance, restart, start, update

RIGHT_STEP = 0.37
TARGET = 0.8
NO_BOUND = np.asarray(np.inf)
EVERYONE = np.full(4, True)
GROUPS = make_groups(4, 4, like=np.zeros(1))


def curve(step_size):
    """Acceptance of a Gaussian in many dimensions, scaled to give `TARGET` at `RIGHT_STEP`."""
    return 2 * norm.sf(norm.isf(TARGET / 2) * (step_size / RIGHT_STEP) ** 2)


def follow(state, iterations, step=update):
    """Let the state follow the acceptance curve, with some noise."""
    rng = np.random.default_rng(1)
    # Far too long a step is never accepted, and the harmonic mean adds up inverses.
    with np.errstate(over="ignore"):
        for _ in range(iterations):
            accept = curve(np.exp(state.log_step_size)) * rng.uniform(0.95, 1.0, 4) / 0.975
            state = step(state, GROUPS, accept, EVERYONE, TARGET, NO_BOUND)
    return state


def tuned(first, iterations, step=update):
    return follow(start(np.log(np.asarray(first))), iterations, step)


def assert_right(state, rtol):
    np.testing.assert_allclose(np.exp(state.log_average), RIGHT_STEP, rtol=rtol)


@pytest.mark.parametrize("factor", [1e-6, 1e-2, 1.0, 1e2, 1e6])
def test_reaches_the_target_from_anywhere(factor):
    state = tuned(factor * RIGHT_STEP, 1000)
    # What the iterates are shrunk towards is still felt a little when it is that far off.
    assert_right(state, rtol=0.05)
    np.testing.assert_allclose(curve(np.exp(state.log_average)), TARGET, atol=0.02)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_a_restart_forgets_a_bad_start(factor):
    bad = tuned(factor * RIGHT_STEP, 50)
    assert_right(follow(restart(bad), 100), rtol=0.03)


def test_the_wrong_sign_is_noticed():
    def upside_down(state, groups, accept_prob, witness, target, largest):
        return update(state, groups, 2 * target - accept_prob, witness, target, largest)

    with pytest.raises(AssertionError):
        assert_right(tuned(RIGHT_STEP, 1000, upside_down), rtol=0.05)


def test_is_what_hoffman_and_gelman_wrote():
    # Equation 6 and the running average below it, with mu, gamma, t0 and kappa.
    rates = np.random.default_rng(3).uniform(WORST, 1.0, 30)
    state = start(np.log(np.asarray(0.5)))
    mu, mean_error, average = np.log(10 * 0.5), 0.0, 0.0
    for t, rate in enumerate(rates, 1):
        state = update(state, GROUPS, np.full(4, rate), EVERYONE, TARGET, NO_BOUND)
        mean_error = (1 - 1 / (t + 10)) * mean_error + (TARGET - rate) / (t + 10)
        step = mu - np.sqrt(t) / 0.05 * mean_error
        average = t**-0.75 * step + (1 - t**-0.75) * average
        np.testing.assert_allclose(state.log_step_size, step, rtol=1e-12)
        np.testing.assert_allclose(state.log_average, average, rtol=1e-12)


def test_a_bound_is_kept_and_left_at_once():
    state, bound = start(np.log(np.asarray(0.5))), np.asarray(0.9)
    for _ in range(200):
        state = update(state, GROUPS, np.ones(4), EVERYONE, TARGET, bound)
        assert np.exp(state.log_step_size) <= 0.9 * (1 + 1e-12)
    np.testing.assert_allclose(np.exp(state.log_average), 0.9, rtol=0.02)
    free = start(np.log(np.asarray(0.5)))
    for _ in range(200):
        free = update(free, GROUPS, np.ones(4), EVERYONE, TARGET, NO_BOUND)
    # Without a bound the record of what was never tried would have to be undone first.
    refused = [
        update(s, GROUPS, np.zeros(4), EVERYONE, TARGET, b)
        for s, b in ((state, bound), (free, NO_BOUND))
    ]
    assert refused[0].log_step_size < np.log(0.9) < 3 < refused[1].log_step_size


def test_a_restart_keeps_the_average_and_nothing_else():
    state = tuned(3.0, 20)
    again = restart(state)
    assert again.log_step_size == again.log_average == state.log_average
    assert again.count == again.mean_error == 0
    np.testing.assert_allclose(np.exp(again.log_anchor - again.log_average), 2)


def test_nothing_is_learnt_without_witnesses():
    state = tuned(3.0, 20)
    kept = update(state, GROUPS, np.array([0.1, np.nan, 0.5, 1.0]), ~EVERYONE, TARGET, NO_BOUND)
    for new, old in zip(kept, state, strict=True):
        np.testing.assert_array_equal(new, old)


def test_only_witnesses_are_asked():
    witness = np.array([True, False, True, False])
    state = start(np.zeros(()))
    heard = update(state, GROUPS, np.array([0.7, 0.0, 0.7, 1.0]), witness, TARGET, NO_BOUND)
    expected = update(state, GROUPS, np.full(4, 0.7), EVERYONE, TARGET, NO_BOUND)
    np.testing.assert_allclose(heard, expected, rtol=1e-12)


rates = st.floats(0.0, 1.0) | st.just(0.0) | st.just(1.0)


@given(st.integers(1, 5), st.lists(st.tuples(rates, st.booleans()), min_size=1, max_size=12))
def test_acceptance_is_harmonic_within_groups_and_plain_over_them(group_size, particles):
    accept = np.array([a for a, _ in particles])
    witness = np.array([w for _, w in particles])
    groups = make_groups(len(particles), group_size, like=accept)
    with np.errstate(over="ignore"):
        achieved = acceptance(groups, accept, witness)
    total, end = 0.0, 0
    for size in group_sizes(len(particles), group_size):
        heard = accept[end : end + size][witness[end : end + size]]
        end += size
        if len(heard):
            total += len(heard) * (len(heard) / np.sum(1 / np.maximum(heard, WORST)))
    expected = total / max(witness.sum(), 1)
    np.testing.assert_allclose(achieved, expected, rtol=1e-9, atol=1e-250)


def test_one_particle_that_never_moves_shows():
    stuck = np.array([1.0, 1.0, 1.0, 0.0])
    np.testing.assert_allclose(acceptance(GROUPS, stuck, EVERYONE), 4 / (3 + 1 / WORST))
    # Well below the target of 0.8, which the plain mean almost reaches.
    assert 4 / (3 + 1 / WORST) < 0.6 < stuck.mean()


def test_one_stuck_group_among_many_does_not_decide_alone():
    groups = make_groups(40, 4, like=np.zeros(1))
    accept = np.ones(40)
    accept[0] = 0
    np.testing.assert_allclose(acceptance(groups, accept, accept >= 0), 0.9 + 0.1 * 4 / (3 + 5))


def test_acceptance_stays_in_single_precision():
    accept = np.array([0.0, 1e-38, 0.5, 1.0], dtype=np.float32)
    with np.errstate(over="ignore"):
        achieved = acceptance(GROUPS, accept, EVERYONE)
    assert achieved.dtype == np.float32
    np.testing.assert_allclose(achieved, 4 / (1 / WORST + 1 / WORST + 2 + 1), rtol=1e-6)
    assert start(np.float32(0.0)).log_anchor.dtype == np.float32
