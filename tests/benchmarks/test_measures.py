import arviz as az
import numpy as np
import pytest

from benchmarks import measures
from benchmarks.posteriors import Reference

CHAINS = 1024
"""Enough for the median of independent chains' errors to be within a tenth of its expectation."""


def reference(dim, scale=1.0):
    """Moments of independent normals with mean 0."""
    one = np.ones(dim)
    names = [f"x[{i + 1}]" for i in range(dim)]
    square = scale**2 * one
    return Reference(names, 0 * one, square, np.sqrt(2) * square, 1e-3 * one, 1e-3 * one)


def normals(chains, draws, dim, seed=0):
    return np.random.default_rng(seed).normal(size=(chains, draws, dim))


def check_stuck(draws):
    found = measures.judge(draws, reference(draws.shape[-1]))
    assert found["ess"] == 0
    assert found["rhat"] == np.inf


def stuck():
    """One parameter of three never moves."""
    draws = normals(4, 200, 3)
    draws[..., 1] = 0.5
    return draws


def test_independent_draws_are_worth_their_number():
    found = measures.judge(normals(4, 1000, 3), reference(3))
    assert 3000 < found["ess"] < 5000
    assert found["z"] < 4
    assert found["rhat"] < 1.01


def test_squares_count():
    """Signs that alternate make x a good mean, and leave x^2 as slow as it was."""
    slow = np.repeat(np.abs(normals(4, 50, 1)), 20, axis=1)
    draws = slow * np.where(np.arange(1000) % 2, 1.0, -1.0)[:, None]
    assert measures.ess(draws, "bulk").min() > 1000
    assert measures.judge(draws, reference(1))["ess"] < 400


def test_shifted_draws_have_a_large_z():
    assert measures.judge(normals(4, 1000, 3) + np.array([0, 0, 0.2]), reference(3))["z"] > 6


def test_draws_that_do_not_move_are_worth_nothing():
    check_stuck(stuck())


def test_the_check_of_stuck_draws_bites(monkeypatch):
    def plain(values, method):
        return az.ess(az.convert_to_dataset({"x": values}), method=method)["x"].values

    monkeypatch.setattr(measures, "ess", plain)
    with pytest.raises(AssertionError):
        check_stuck(stuck())


def test_draws_that_are_not_finite_are_worth_nothing():
    draws = normals(4, 200, 3)
    draws[2, 7, 0] = np.nan
    assert measures.judge(draws, reference(3)) == {"ess": 0, "z": np.inf, "rhat": np.inf}


def settled(scale=1.0, gradients=1.0):
    """The error of one normal after n draws is chi-square / n: its median is 0.455 / n."""
    draws = scale * normals(CHAINS, 200, 1)
    spent = np.full(draws.shape[:2], gradients)
    return measures.ErrorTrace.empty().extend(draws, spent, reference(1, scale)).settled()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_error_of_independent_draws_is_low_when_theory_says(scale):
    assert 36 < settled(scale) < 56


def test_error_counts_the_gradients_of_one_chain():
    assert settled(gradients=7.0) == 7 * settled()


def test_error_has_to_stay_low():
    """Low at once, and high again from the 50th draw on: only the last time counts."""
    draws = np.ones((3, 400, 1))
    draws[:, 50:60] = 2.0
    spent = np.ones((3, 400))
    trace = measures.ErrorTrace.empty().extend(draws, spent, reference(1))
    # 30 too much in the sum of squares, over n sqrt(2): below 0.1 after 212 draws.
    assert trace.settled() == 213
    assert (
        measures.ErrorTrace.empty().extend(draws[:, :100], spent[:, :100], reference(1)).settled()
        is None
    )


def test_error_is_the_same_in_blocks():
    draws, spent = normals(8, 300, 2), np.ones((8, 300))
    whole = measures.ErrorTrace.empty().extend(draws, spent, reference(2))
    parts = measures.ErrorTrace.empty()
    for first in range(0, 300, 100):
        block = slice(first, first + 100)
        parts = parts.extend(draws[:, block], spent[:, block], reference(2))
    np.testing.assert_allclose(parts.course, whole.course, rtol=1e-12)
