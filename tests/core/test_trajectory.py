"""Trajectory lengths follow the widest direction and cover their range; windows lie in warm-up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhl_ppl.core.learners import trajectory_length as trajectory
from fhl_ppl.core.learners.trajectory_length import (
    EARLY_GROWTH,
    EARLY_STEPS,
    JITTER,
    jittered,
    steps_cap,
    steps_for,
)
from fhl_ppl.core.learners.windows import FINAL_SHARE, FIRST_WINDOW, window_ends
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.moments.principal_scale import sigma_max
from fhl_ppl.core.sequences import van_der_corput
from tests.targets import Gaussian

ONE = np.array(1.0)
METRICS = {
    "unit": make_metric(np.ones(3)),
    "diag": make_metric(np.array([0.5, 1.0, 1.6])),
    "dense": make_metric(np.array([[0.5, 0.3, -0.2], [0.3, 1.0, 0.1], [-0.2, 0.1, 1.6]])),
}


def learnt_scale(target, metric, update=trajectory.update):
    rng = np.random.default_rng(4)
    scale = trajectory.restart(target.sample(rng, 4), metric)
    for _ in range(4000):
        scale = update(scale, target.sample(rng, 4), metric)
    return sigma_max(scale)


def widest(target, metric):
    """Square root of the largest eigenvalue of the covariance in the whitened space."""
    whitener = metric.whitener if metric.whitener.ndim == 2 else np.diag(metric.whitener)
    return np.sqrt(np.linalg.eigvalsh(whitener @ target.covariance @ whitener.T)[-1])


@pytest.mark.parametrize("metric", METRICS)
def test_principal_scale_is_that_of_the_widest_direction(metric):
    # The direction that power iteration starts from sees only part of it, the mean is far off.
    covariance = np.array([[9.0, -5.0, 0.0], [-5.0, 4.0, 0.5], [0.0, 0.5, 1.0]])
    target = Gaussian([30.0, -20.0, 5.0], covariance)
    expected = widest(target, METRICS[metric])
    np.testing.assert_allclose(learnt_scale(target, METRICS[metric]), expected, rtol=0.05)


def test_a_scale_without_its_mean_is_noticed():
    def off_centre(scale, position, metric):
        return trajectory.update(scale, position, metric)._replace(mean=0 * scale.mean)

    target = Gaussian([3.0, -2.0, 5.0], np.eye(3))
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(learnt_scale(target, METRICS["unit"], off_centre), 1, rtol=0.05)


def test_a_fresh_scale_is_one(rng):
    scale = trajectory.restart(rng.standard_normal((4, 7)), make_metric(np.full(7, 2.0)))
    np.testing.assert_allclose(sigma_max(scale), 1)


def test_particles_that_do_not_move_do_no_harm():
    position = np.ones((4, 3))
    scale = trajectory.restart(position, METRICS["unit"])
    for _ in range(500):
        scale = trajectory.update(scale, position, METRICS["unit"])
    assert 0 < sigma_max(scale) < 1


def test_van_der_corput_begins_as_it_should():
    values = [van_der_corput(k, ONE) for k in range(9)]
    expected = [0, 1 / 2, 1 / 4, 3 / 4, 1 / 8, 5 / 8, 3 / 8, 7 / 8, 1 / 16]
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("first", [0, 3, 1000, 99_999])
def test_van_der_corput_covers_any_stretch_evenly(first, dtype):
    values = [van_der_corput(np.asarray(first + k), np.ones((), dtype)) for k in range(64)]
    np.testing.assert_array_equal(np.sort(np.floor(np.asarray(values) * 64)), np.arange(64))


@given(st.integers(0, 2**20 - 1), st.floats(1e-3, 1e3))
def test_jitter_stays_within_its_bounds(iteration, length):
    got = jittered(np.asarray(length), iteration)
    assert (1 - JITTER) * length <= got < (1 + JITTER) * length


def test_jitter_is_centred_on_the_length():
    lengths = [jittered(np.array(2.0), k) for k in range(1024)]
    np.testing.assert_allclose(np.mean(lengths), 2.0, rtol=1e-3)
    np.testing.assert_allclose(np.ptp(lengths), 4 * JITTER, rtol=2e-3)


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.integers(1, 1000))
def test_steps_reach_the_length_within_the_cap(length, step_size, cap):
    steps = steps_for(np.asarray(length), np.asarray(step_size), np.asarray(float(cap)))
    assert steps == int(steps)
    assert 1 <= steps <= cap
    if steps < cap:
        assert steps * step_size >= length * (1 - 1e-12)
    if steps > 1:
        assert (steps - 1) * step_size < length


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.integers(1, 1000))
def test_of_two_stages_steps_are_even_or_one(length, step_size, cap):
    given = np.asarray(length), np.asarray(step_size), np.asarray(float(cap))
    steps, plain = steps_for(*given, 2), steps_for(*given)
    assert steps == 1 or steps % 2 == 0
    assert steps <= cap
    assert (steps == 1) == (plain == 1 or cap == 1)
    assert abs(steps - plain) <= 1


def test_steps_of_two_stages_are_rounded_up_and_their_cap_down():
    rounded = [steps_for(np.asarray(length), ONE, 5 * ONE, 2) for length in (1, 1.5, 2.5, 4, 5, 9)]
    np.testing.assert_array_equal(rounded, [1, 2, 4, 4, 4, 4])
    assert steps_for(np.asarray(9.0), ONE, np.asarray(np.inf), 2) == 10


def test_steps_are_few_while_the_metric_is_young():
    caps = [steps_cap(np.asarray(k), 100, 64, ONE) for k in (0, 10, 99, 100, 10_000)]
    expected = [EARLY_STEPS, EARLY_STEPS + 10 * EARLY_GROWTH, EARLY_STEPS + 99 * EARLY_GROWTH]
    np.testing.assert_array_equal(caps, [*expected, 64, 64])
    assert steps_cap(np.asarray(99), 100, 20, ONE) == 20
    assert steps_cap(np.asarray(0), 0, 64, ONE) == 64


@given(st.integers(0, 20_000))
def test_windows_lie_in_the_warm_up_and_grow(num_warmup):
    ends = window_ends(num_warmup)
    assert all(isinstance(end, int) for end in ends)
    lengths = np.diff([0, *ends])
    assert (lengths > 0).all()
    if num_warmup >= FIRST_WINDOW / (1 - FINAL_SHARE) + 1:
        # The last renewal leaves the step size the share that it is due.
        assert abs(num_warmup - ends[-1] - FINAL_SHARE * num_warmup) < 1
        assert lengths[0] >= FIRST_WINDOW
        assert (np.diff(lengths) >= 0).all()
    else:
        assert len(ends) <= 1
        assert all(FIRST_WINDOW <= end <= num_warmup for end in ends)


@pytest.mark.parametrize("num_warmup", [0, 1, 5, 10, 11])
def test_a_short_warm_up_has_no_windows(num_warmup):
    assert window_ends(num_warmup) == ()


def test_windows_of_a_usual_warm_up():
    assert window_ends(1000) == (10, 26, 51, 92, 158, 262, 430, 850)
