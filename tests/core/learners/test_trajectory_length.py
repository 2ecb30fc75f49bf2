"""Trajectories cover the range of their lengths, with as many steps as it takes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fhl_ppl.core.learners.trajectory_length import (
    EARLY_GROWTH,
    EARLY_STEPS,
    JITTER,
    jittered,
    steps_cap,
    steps_for,
)

ONE = np.array(1.0)


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
