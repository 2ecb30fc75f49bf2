"""The widest direction by power iteration, and the standard deviation along it."""

import numpy as np
import pytest

from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.moments import principal_scale
from fhl_ppl.core.moments.principal_scale import sigma_max
from tests.targets import Gaussian

METRICS = {
    "unit": make_metric(np.ones(3)),
    "diag": make_metric(np.array([0.5, 1.0, 1.6])),
    "dense": make_metric(np.array([[0.5, 0.3, -0.2], [0.3, 1.0, 0.1], [-0.2, 0.1, 1.6]])),
}


def learnt_scale(target, metric, update=principal_scale.update):
    rng = np.random.default_rng(4)
    scale = principal_scale.restart(target.sample(rng, 4), metric)
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
        return principal_scale.update(scale, position, metric)._replace(mean=0 * scale.mean)

    target = Gaussian([3.0, -2.0, 5.0], np.eye(3))
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(learnt_scale(target, METRICS["unit"], off_centre), 1, rtol=0.05)


def test_a_fresh_scale_is_one(rng):
    scale = principal_scale.restart(rng.standard_normal((4, 7)), make_metric(np.full(7, 2.0)))
    np.testing.assert_allclose(sigma_max(scale), 1)


def test_particles_that_do_not_move_do_no_harm():
    position = np.ones((4, 3))
    scale = principal_scale.restart(position, METRICS["unit"])
    for _ in range(500):
        scale = principal_scale.update(scale, position, METRICS["unit"])
    assert 0 < sigma_max(scale) < 1
