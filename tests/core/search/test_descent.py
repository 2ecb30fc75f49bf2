"""Descents to minima, and the Gaussians around these."""

import numpy as np
import pytest

from fhl_ppl.core.search import descent
from fhl_ppl.core.search.ends import roots_of
from tests.core.search.searched import GAUSSIAN, descended, eggbox
from tests.hills import funnel


def test_a_descent_ends_at_the_minimum_and_knows_how_wide_it_is():
    begin = np.random.default_rng(0).uniform(-50, 50, (6, 3))
    with np.errstate(all="ignore"):
        end = descended(GAUSSIAN, begin)
    assert end.has_arrived.all()
    energy, _ = GAUSSIAN(begin)
    assert (energy > 50).all()
    assert (end.state.potential_energy < 0.2).all()
    assert (end.evaluations < 40).all()
    # As many steps as dimensions and a few more: within a third of what it is.
    widths = np.linalg.eigvalsh(end.inverse_hessian)
    expected = np.linalg.eigvalsh([[4.0, 1.0, 0.0], [1.0, 0.5, 0.1], [0.0, 0.1, 25.0]])
    np.testing.assert_allclose(np.median(widths, axis=0), expected, rtol=0.33)


def test_it_goes_on_to_the_end_only_if_one_arrives():
    begin = np.random.default_rng(0).uniform(-2, 2, (3, 10))
    end = descended(funnel, begin)
    np.testing.assert_array_equal(end.evaluations, 50)

    first = np.arange(3) == 0

    def easy_for_the_first(position):
        energy, gradient = funnel(position)
        easy = (position**2).sum(axis=1) / 2
        return np.where(first, easy, energy), np.where(first[:, None], position, gradient)

    end = descended(easy_for_the_first, begin)
    np.testing.assert_array_equal(end.has_arrived, first)
    np.testing.assert_array_equal(end.evaluations[1:], 100)


def test_it_stops_where_it_is_told_to():
    begin = np.full((2, 3), 40.0)
    end = descended(GAUSSIAN, begin, 6)
    assert not end.has_arrived.any()
    np.testing.assert_array_equal(end.evaluations, 3)


def test_it_gives_up_where_there_are_no_numbers():
    def nowhere(position):
        return np.full(len(position), np.nan), np.zeros_like(position)

    begin = np.ones((2, 3))
    end = descended(nowhere, begin)
    assert not end.has_arrived.any()
    np.testing.assert_array_equal(end.state.position, begin)
    assert (end.evaluations < 20).all()


def test_a_matrix_near_overflow_hasroots_of():
    # Of this one LAPACK finds none.
    near = np.asarray([[[3e38, 3e38], [3e38, -3e38]]], np.float32)
    for root in roots_of(near):
        assert np.isfinite(root).all()


def test_a_round_gaussian_is_arrived_at_in_single_precision():
    """The second step leads to 0 but for rounding, and squares of what is left underflow."""
    begin = np.random.default_rng(0).uniform(-2, 2, (4, 10)).astype(np.float32)
    with np.errstate(all="ignore"):
        end = descended(lambda q: (np.sum(q**2, axis=1) / 2, q), begin)
    assert end.has_arrived.all()
    np.testing.assert_allclose(end.inverse_hessian, np.stack([np.eye(10)] * 4), atol=0.1)


def check_that_no_descent_ends_in_a_tail():
    levels = [-240.1458, -239.7404, -239.335, -235.3141, -234.9087, -230.4839]
    begin = np.random.default_rng(0).uniform(-2, 2, (1000, 2))
    with np.errstate(all="ignore"):
        end = descended(eggbox, begin)
    arrived = end.state.potential_energy[end.has_arrived]
    assert len(arrived) > 950
    assert np.abs(arrived[:, None] - levels).min(axis=1).max() < 0.1


def test_no_descent_ends_in_a_tail():
    check_that_no_descent_ends_in_a_tail()


def test_the_check_notices_that_one_does(monkeypatch):
    monkeypatch.setattr(descent, "SURE", descent.ENOUGH)
    with pytest.raises(AssertionError):
        check_that_no_descent_ends_in_a_tail()


def test_one_that_no_step_brings_further_has_arrived():
    """Rounding of forces, such as of large data in single precision, keeps it from being sure."""

    def rounded(position):
        return (position**2).sum(axis=1) / 2, np.round(position / 0.1) * 0.1

    with np.errstate(all="ignore"):
        end = descended(rounded, np.random.default_rng(0).uniform(-2, 2, (50, 4)))
    assert end.has_arrived.all()
    assert (end.state.potential_energy < 0.2).all()
