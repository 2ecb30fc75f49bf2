"""The targets draw from the density whose energy and gradient they give."""

import numpy as np
import pytest
from scipy.stats import norm

from tests.targets import FORCES, TARGETS, LogGamma, with_force

SIZE = 200_000
FALSE_ALARM_RATE = 1e-4
Z_THRESHOLD = float(norm.isf(FALSE_ALARM_RATE / 100 / 2))
"""For fewer than 100 z values in all."""


def assert_zero_mean(values):
    z = values.mean(axis=0) / (values.std(axis=0) / np.sqrt(len(values)))
    np.testing.assert_array_less(np.abs(z), Z_THRESHOLD)


@pytest.fixture(params=TARGETS)
def target(request):
    return TARGETS[request.param]


def assert_draws_match_density(target, draws):
    _, gradient = target.potential_and_gradient(draws)
    centred = draws - target.mean
    # Stein's identities: E[dU/dq] = 0 and E[(q - c)_a dU/dq_b] = 1 if a = b, else 0.
    assert_zero_mean(gradient)
    product = centred[:, :, None] * gradient[:, None, :] - np.eye(target.dim)
    assert_zero_mean(product.reshape(len(draws), -1))


def test_draws_come_from_the_density(target, rng):
    assert_draws_match_density(target, target.sample(rng, SIZE))


def test_draws_of_another_density_are_noticed(rng):
    shape = TARGETS["skewed"].shape * 1.02
    other = LogGamma(shape, TARGETS["skewed"].mixing)
    with pytest.raises(AssertionError):
        assert_draws_match_density(TARGETS["skewed"], other.sample(rng, SIZE))


def test_moments_are_those_of_the_draws(target, rng):
    draws = target.sample(rng, SIZE)
    centred = draws - target.mean
    assert_zero_mean(centred)
    assert_zero_mean(target.potential_and_gradient(draws)[0][:, None] - target.mean_energy)
    assert_zero_mean(centred**3 - target.third_moment)
    product = centred[:, :, None] * centred[:, None, :] - target.covariance
    assert_zero_mean(product.reshape(SIZE, -1))


def test_the_skewed_target_is_skewed():
    target = TARGETS["skewed"]
    skewness = target.third_moment / np.diag(target.covariance) ** 1.5
    np.testing.assert_array_less(0.2, np.abs(skewness))


def test_gradient_is_that_of_the_energy(target, rng):
    position = target.sample(rng, 20)
    _, gradient = target.potential_and_gradient(position)
    step = 1e-5
    for a in range(target.dim):
        shift = step * np.eye(target.dim)[a]
        above, _ = target.potential_and_gradient(position + shift)
        below, _ = target.potential_and_gradient(position - shift)
        np.testing.assert_allclose((above - below) / (2 * step), gradient[:, a], atol=1e-7)


@pytest.mark.parametrize("force", sorted(set(FORCES) - {"right"}))
def test_wrong_forces_are_wrong_and_leave_the_energy_alone(target, force, rng):
    position = target.sample(rng, 20)
    energy, gradient = target.potential_and_gradient(position)
    kept, wrong = with_force(target, FORCES[force])(position)
    np.testing.assert_array_equal(kept, energy)
    assert np.min(np.linalg.norm(wrong - gradient, axis=1)) > 0.1
