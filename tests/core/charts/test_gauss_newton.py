"""Least squares by damped Gauss-Newton steps."""

import numpy as np
import pytest

from fhl_ppl.core.charts import gauss_newton
from fhl_ppl.core.charts.gauss_newton import minimise
from fhl_ppl.core.control import PYTHON

X = np.random.default_rng(0).normal(size=(1, 1, 50)).astype(np.float32)


def fitted(steps=30):
    """y = 1000 (a + b) x by two weights that do the same, in single precision."""
    slopes = np.concatenate([1000 * X, 1000 * X], axis=1)
    begin, seen = np.zeros((1, 2), np.float32), np.ones(50, np.float32)

    def residual(weights):
        return (weights[:, None, :] @ slopes)[:, 0, :] - 500 * X[:, 0, :]

    def jacobian(weights):
        return slopes

    return minimise(residual, jacobian, begin, begin, seen, 1e-6, steps, PYTHON)


def test_weights_that_do_the_same():
    weights, loss = fitted()
    np.testing.assert_allclose(weights.sum(), 0.5, rtol=1e-3)
    assert loss < 1e-3


def test_without_a_least_damping_the_matrix_is_singular(monkeypatch):
    monkeypatch.setattr(gauss_newton, "DAMPING", 1e-20)
    fitted()
    monkeypatch.setattr(gauss_newton, "ROUNDING", 0.0)
    with pytest.raises(np.linalg.LinAlgError):
        fitted()
