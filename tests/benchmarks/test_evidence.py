"""The targets of `benchmarks.evidence` have the evidence that the table is judged by."""

import numpy as np
import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
evidence = importorskip("benchmarks.evidence")


@pytest.mark.parametrize("name", ["double well", "50 of 100", "eggbox", "shells, d = 2"])
def test_the_evidence_of_a_target_is_that_of_quadrature(name):
    target = evidence.TARGETS[name]
    with jax.enable_x64(True):
        low, high = (-15, 15) if name == "double well" else prior_bounds(target)
        step = (high - low) / 3000
        axis = low + step * (np.arange(3000) + 0.5)
        dim = target.prior.event_shape[0]
        grid = np.stack(np.meshgrid(*[axis] * dim), axis=-1).reshape(-1, dim)
        density = jax.jit(lambda x: target.prior.log_prob(x) + jax.vmap(target.log_likelihood)(x))
        height = np.asarray(density(grid))
    found = np.log(np.exp(height - height.max()).sum()) + height.max() + dim * np.log(step)
    np.testing.assert_allclose(found, target.log_evidence, atol=1e-3)


def prior_bounds(target):
    support = target.prior.base_dist.base_dist
    return float(support.low), float(support.high)
