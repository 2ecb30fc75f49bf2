"""The mixture of strengths: always with 0, drawn without looking, and inclined to what paid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from fhl_ppl.core.learners.pull import (
    KAPPAS,
    MEMORY,
    TRIAL_SHARE,
    choose,
    record,
    reweigh,
    start,
    strength_for,
)

ONE = np.array(1.0)
FALSE_ALARM_RATE = 1e-4
"""Probability that counting choices fails though all is well, were the seed drawn anew."""

worths = st.lists(st.floats(0, 1e3), min_size=len(KAPPAS), max_size=len(KAPPAS))


def with_record(jump, gradients=100.0):
    """A mixture whose options achieved `jump` with so many gradients each."""
    fresh = start(ONE)
    return fresh._replace(
        jump=np.asarray(jump, dtype=float), gradients=np.zeros(len(KAPPAS)) + gradients
    )


def assert_mixture(mixture):
    np.testing.assert_allclose(mixture.weight.sum(), 1, rtol=1e-12)
    assert (mixture.weight >= 0).all()
    np.testing.assert_array_equal(mixture.kappa, KAPPAS)
    assert 0 in mixture.kappa


def test_a_fresh_mixture_has_every_pull_on_trial():
    mixture = start(ONE)
    assert_mixture(mixture)
    np.testing.assert_allclose(mixture.weight[1:], TRIAL_SHARE)
    assert mixture.kappa[0] == 0


@given(worths, st.booleans())
def test_weights_remain_weights(jump, on_trial):
    mixture = reweigh(with_record(jump), on_trial)
    assert_mixture(mixture)
    if on_trial:
        assert mixture.weight.min() >= TRIAL_SHARE * (1 - 1e-12)


@pytest.mark.parametrize("best", range(len(KAPPAS)))
@pytest.mark.parametrize("on_trial", [True, False])
def test_the_option_that_paid_is_preferred(best, on_trial):
    jump = np.full(len(KAPPAS), 10.0)
    jump[best] = 100.0
    weight = reweigh(with_record(jump), on_trial).weight
    assert np.argmax(weight) == best
    assert weight[best] > 0.8
    if not on_trial:
        np.testing.assert_array_equal(np.delete(weight, best), 0)


def test_worth_is_counted_by_the_gradient():
    gradients = np.array([100.0, 1000.0, 100.0, 100.0, 100.0])
    weight = reweigh(with_record([10, 60, 1, 1, 1], gradients), on_trial=False).weight
    np.testing.assert_array_equal(weight, [1, 0, 0, 0, 0])


def test_a_pull_must_be_better_by_a_margin():
    assert reweigh(with_record([10.0, 11, 0, 0, 0]), on_trial=False).weight[0] > 0.8
    assert reweigh(with_record([10.0, 20, 0, 0, 0]), on_trial=False).weight[1] > 0.8


def test_without_a_handicap_no_margin_is_asked():
    record = with_record([10.0, 14, 0, 0, 0])
    assert reweigh(record, on_trial=False).weight[0] > 0.5
    assert reweigh(record, on_trial=False, handicap=1.0).weight[1] > 0.9


def test_without_a_record_nobody_is_pulled():
    np.testing.assert_array_equal(
        reweigh(with_record([0, 0, 0, 0, 0], 0.0), on_trial=False).weight, [1, 0, 0, 0, 0]
    )


def test_older_records_fade():
    mixture = reweigh(with_record([8, 8, 8, 8, 8], 16.0), on_trial=True)
    np.testing.assert_allclose(mixture.jump, 8 * MEMORY)
    np.testing.assert_allclose(mixture.gradients, 16 * MEMORY)


weights = st.lists(st.sampled_from([0.0, 1e-3, 0.1, 0.3, 1.0]), min_size=5, max_size=5).filter(any)
uniforms = st.floats(0, 1, exclude_max=True) | st.sampled_from([0.0, 1 - 2.0**-24, 1 - 2.0**-53])


@given(weights, st.lists(uniforms, min_size=1, max_size=20), st.booleans())
def test_exactly_one_option_is_chosen_and_none_of_no_weight(weight, uniform, single):
    dtype = np.float32 if single else np.float64
    uniform = np.minimum(np.asarray(uniform, dtype), np.nextafter(dtype(1), dtype(0)))
    weight = np.asarray(weight, dtype) / np.sum(weight, dtype=dtype)
    chosen = choose(start(dtype(1))._replace(weight=weight), uniform)
    assert chosen.shape == (len(uniform), len(KAPPAS))
    np.testing.assert_array_equal(chosen.sum(axis=1), 1)
    assert (weight[chosen.argmax(axis=1)] > 0).all()


def assert_chosen_as_often_as_they_weigh(choose):
    weight = np.array([0.4, 0.0, 0.35, 0.25])
    uniform = np.random.default_rng(5).random(200_000)
    share = choose(start(ONE)._replace(weight=weight), uniform).mean(axis=0)
    error = np.sqrt(weight * (1 - weight) / len(uniform))
    threshold = norm.isf(FALSE_ALARM_RATE / len(weight) / 2)
    np.testing.assert_array_less(np.abs(share - weight), threshold * error + 1e-12)


def test_options_are_chosen_as_often_as_they_weigh():
    assert_chosen_as_often_as_they_weigh(choose)


def test_other_frequencies_are_noticed():
    with pytest.raises(AssertionError):
        assert_chosen_as_often_as_they_weigh(lambda mixture, u: choose(mixture, u**1.05))


def test_strength_follows_from_kappa_and_the_length():
    chosen = np.eye(len(KAPPAS), dtype=bool)
    got = strength_for(start(ONE), chosen, np.array(0.2), np.array(5.0))
    np.testing.assert_allclose(got, np.array(KAPPAS) / (0.2 * 5) ** 2)


def test_only_pulled_particles_enter_the_record():
    chosen = np.eye(5, dtype=bool)[[0, 2, 2, 3]]
    jump = np.array([1.0, 2.0, 4.0, 8.0])
    pulled = np.array([True, True, True, False])
    mixture = record(with_record([1, 1, 1, 1, 1], 10.0), chosen, jump, pulled, np.array(3.0))
    np.testing.assert_allclose(mixture.jump, [2, 1, 7, 1, 1])
    np.testing.assert_allclose(mixture.gradients, [13, 10, 16, 10, 10])
    np.testing.assert_array_equal(mixture.weight, start(ONE).weight)
