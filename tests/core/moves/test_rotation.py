"""Rotation, renewal and mean rotation: what they leave as it is, and what they are tested by."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.moves.rotation import rotate
from fhl_ppl.core.state import State
from tests.core.moves.scenes import CENTRE, covariance_of, go, make_choice, normal, propose
from tests.invariance.exact_draws import METRICS
from tests.loops import draw
from tests.targets import Gaussian


@pytest.mark.parametrize("metric", METRICS)
def test_a_rotation_is_always_accepted_on_its_own_gaussian(metric, rng):
    target = Gaussian(CENTRE, covariance_of(METRICS[metric]))
    position = 5 * rng.standard_normal((40, 3))
    state = State(position, *target.potential_and_gradient(position))
    for name in ("renewal", "rotation"):
        _, info = go(
            state,
            draw(rng, 40, 3),
            make_choice(name, 40, metric=metric),
            4,
            target.potential_and_gradient,
        )
        np.testing.assert_allclose(info.accept_prob, 1, rtol=1e-11)
        assert info.accepted.all()


@pytest.mark.parametrize("metric", METRICS)
def test_the_correction_is_the_ratio_of_the_proposal_densities(metric, rng):
    # q(q' -> q) / q(q -> q'), the proposal being N(c + (q - c) cos t, sin^2 t Sigma).
    position, centre = rng.standard_normal((2, 30, 3))
    angle = rng.uniform(0.1, np.pi - 0.1, 30)
    sigma = make_metric(METRICS[metric])
    xi = normal(sigma, rng.standard_normal((30, 3)))
    turned, correction = rotate(sigma, centre, angle, position, xi)
    covariance = covariance_of(METRICS[metric])
    for k in range(30):

        def log_density(to, origin, k=k):
            mean = centre[k] + (origin - centre[k]) * np.cos(angle[k])
            spread = np.sin(angle[k]) ** 2 * covariance
            return multivariate_normal.logpdf(to, mean, spread)

        ratio = log_density(position[k], turned[k]) - log_density(turned[k], position[k])
        np.testing.assert_allclose(correction[k], ratio, rtol=1e-8, atol=1e-8)


def test_a_renewal_uses_the_noise_with_the_covariance_that_is_fitted(rng):
    draws, position = draw(rng, 50_000, 3), rng.standard_normal((50_000, 3))
    proposal = propose("renewal", 1e6 * position, draws)
    # A right angle forgets where it came from.
    np.testing.assert_allclose(proposal.mean(axis=0), CENTRE, atol=0.03)
    np.testing.assert_allclose(np.cov(proposal.T), METRICS["dense"], atol=0.04)


@pytest.mark.parametrize("metric", METRICS)
def test_a_renewal_forgets_where_it_came_from(metric, rng):
    position, draws = rng.standard_normal((6, 3)), draw(rng, 6, 3)
    one = propose("renewal", position, draws, metric=metric)
    other = propose("renewal", position + 3, draws, metric=metric, turn=0.9)
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)
