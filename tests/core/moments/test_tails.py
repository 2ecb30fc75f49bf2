"""How heavy the tails are, and how much of the force the drift may take over."""

from functools import partial

import numpy as np
import pytest

from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.moments import tails, welford
from fhl_ppl.core.trajectory.reference import FREQUENCY

DIM, BATCHES, PARTICLES = 4, 500, 8
COVARIANCE = np.diag([4.0, 1.0, 1.0, 0.25]) + 0.3
CENTRE = np.array([3.0, 0.0, -1.0, 2.0])
METRICS = {"dense": COVARIANCE, "poor": np.eye(DIM), "diagonal": np.array([1.0, 2.0, 3.0, 4.0])}


def weight(sample, inverse_mass_matrix, centre=CENTRE):
    metric = make_metric(inverse_mass_matrix)
    first = sample(PARTICLES)
    positions = welford.empty(first, dense=inverse_mass_matrix.ndim == 2)
    distances = welford.empty(first[:, :1], dense=False)
    for _ in range(BATCHES):
        seen = sample(PARTICLES)
        positions = welford.update(positions, seen)
        distances = welford.update(distances, tails.squared_distance(metric, centre, seen))
    return tails.tail_weight(distances, metric, centre, positions)


def gaussian(rng, diagonal, number):
    covariance = np.diag(np.diag(COVARIANCE)) if diagonal else COVARIANCE
    return rng.multivariate_normal([0.0] * DIM, covariance, number)


@pytest.mark.parametrize("name", METRICS)
def test_it_is_one_for_a_gaussian_in_any_metric_about_any_centre(name):
    """The variance of 4000 squared distances: relative error about sqrt(8 / 4000), here 5 of it."""
    matrix = METRICS[name]
    sample = partial(gaussian, np.random.default_rng(1), matrix.ndim == 1)
    np.testing.assert_allclose(weight(sample, matrix), 1, atol=0.25)


def test_it_is_what_theory_says_for_independent_laplace_variables():
    """Var(x^2) is 20 for a Laplace variable, 8 for a normal of the same variance."""
    sample = partial(np.random.default_rng(2).laplace, 0, 1)
    found = weight(lambda number: sample((number, DIM)), np.eye(DIM), np.zeros(DIM))
    np.testing.assert_allclose(found, 20 / 8, rtol=0.3)


def test_omega_falls_with_heavy_tails_and_never_rises():
    np.testing.assert_allclose(tails.frequency(np.asarray(1.0)), FREQUENCY)
    np.testing.assert_allclose(tails.frequency(np.asarray(0.2)), FREQUENCY)
    np.testing.assert_allclose(tails.frequency(np.asarray(4 * tails.GAUSSIAN)), FREQUENCY / 2)


def test_a_forgotten_shift_of_the_centre_would_be_seen(monkeypatch):
    """Break it on purpose: without the term of the shift the tails of a Gaussian look heavy."""
    monkeypatch.setattr(tails, "weigh", lambda metric, shift: np.zeros_like(shift))
    assert weight(partial(gaussian, np.random.default_rng(1), False), COVARIANCE) > 2
