"""A particle without an energy loses only itself, and what is no such failure is an error."""

import numpy as np
import pyro.distributions as dist
import pytest
import torch

from fhl_ppl.pyro.batching.potential import BatchedPotential
from tests.pyro.batching.quadratic import LAYOUT, POINTS, cholesky, quadratic

pytestmark = pytest.mark.usefixtures("float64")


def inverse(sites):
    # Singular, and not merely of negative determinant, at x[0] = 0.
    return torch.linalg.inv(sites["x"][0] * torch.eye(2)).sum() + quadratic(sites)


def solve(sites):
    matrix = sites["x"][0] * torch.eye(2)
    return torch.linalg.solve(matrix, sites["x"]).sum() + quadratic(sites)


def singular_values(sites):
    # An operation without a batched way of reporting failure, which NaN makes fail.
    matrix = torch.diag(torch.log(sites["x"]) + torch.tensor([0.0, 5.0])) + 0.1
    return torch.linalg.svdvals(matrix).sum() + quadratic(sites)


def validated(sites):
    # Passes under vmap as long as all particles are valid; cannot be recorded.
    scale = sites["x"][0]
    return -dist.Normal(0.0, scale, validate_args=True).log_prob(sites["x"][1])


@pytest.mark.parametrize(
    ("potential_fn", "culprit", "rung"),
    [
        (cholesky, [-1.0, 0.3], "fx"),
        (inverse, [0.0, 0.3], "fx"),
        (solve, [0.0, 0.3], "fx"),
        (singular_values, [-1.0, 0.3], "fx"),
        (validated, [-1.0, 0.3], "fx"),
    ],
)
def test_a_failure_loses_only_the_culprit(potential_fn, culprit, rung):
    potential = BatchedPotential(potential_fn, LAYOUT)
    good = POINTS.abs()
    energies, gradients = (x.clone() for x in potential.energy_and_gradient(good))
    assert torch.isfinite(energies).all()
    bad = good.clone()
    bad[1] = torch.tensor(culprit)
    after, slopes = potential.energy_and_gradient(bad)
    assert after[1] == torch.inf
    np.testing.assert_array_equal(slopes[1], 0.0)
    keep = [0, 2]
    np.testing.assert_allclose(after[keep], energies[keep], rtol=1e-12)
    np.testing.assert_allclose(slopes[keep], gradients[keep], rtol=1e-12)
    np.testing.assert_array_equal(potential.energy(bad)[1], torch.inf)
    assert potential.rung == rung


def test_an_error_of_the_model_is_not_taken_for_a_rejection():
    def wrong(sites):
        return sites["x"].sum() + sites["y"]

    with pytest.raises(KeyError, match="y"):
        BatchedPotential(wrong, LAYOUT).energy_and_gradient(POINTS)


@pytest.mark.parametrize("bad", [torch.nan, -torch.inf, torch.inf])
def test_a_non_finite_energy_is_plus_infinity(bad):
    def potential_fn(sites):
        return torch.where(sites["x"][0] > 2, bad, quadratic(sites))

    energies, gradients = BatchedPotential(potential_fn, LAYOUT).energy_and_gradient(POINTS)
    # Whether it was batched or not: the first call met a particle that has no energy.
    assert energies.tolist()[1] == torch.inf
    np.testing.assert_array_equal(gradients[1], 0.0)
    np.testing.assert_array_equal(gradients[0], POINTS[0])


def test_first_positions_without_energy_do_not_decide_the_rung():
    def potential_fn(sites):
        return torch.where(sites["x"][0] > 2, torch.nan, quadratic(sites))

    potential = BatchedPotential(potential_fn, LAYOUT)
    potential.energy_and_gradient(POINTS + 10)
    assert potential.rung == "loop"
    potential.energy_and_gradient(torch.zeros_like(POINTS))
    assert potential.rung == "fx"
