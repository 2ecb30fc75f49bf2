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
        axis = np.linspace(-15, 15, 1501)
        grid = np.stack(np.meshgrid(*[axis] * target.dim), axis=-1).reshape(-1, target.dim)
        energy = np.asarray(jax.jit(jax.vmap(target.potential))(grid))
    step = axis[1] - axis[0]
    found = np.log(np.exp(energy.min() - energy).sum()) - energy.min() + target.dim * np.log(step)
    np.testing.assert_allclose(found, target.log_evidence, atol=1e-3)
