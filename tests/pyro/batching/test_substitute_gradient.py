"""A force in place of the gradient, with noise or without."""

import warnings

import numpy as np
import pytest
import torch

from fhl_ppl.pyro.batching.potential import BatchedPotential
from tests.pyro.batching.quadratic import LAYOUT, POINTS, halved, quadratic

pytestmark = pytest.mark.usefixtures("float64")


def test_substitute_gradient_leaves_the_energy_alone():
    potential = BatchedPotential(quadratic, LAYOUT, gradient_fn=halved)
    energies, gradients = potential.energy_and_gradient(POINTS)
    np.testing.assert_allclose(energies, (POINTS**2).sum(1) / 2)
    np.testing.assert_array_equal(gradients, POINTS / 2)
    np.testing.assert_array_equal(potential.gradient(POINTS), POINTS / 2)
    assert potential.rung == "fx, fx"


def test_substitute_gradient_may_be_constant_or_differentiate_itself():
    def zero(sites):
        return {"x": torch.zeros(2)}

    def surrogate(sites):
        x = sites["x"].detach().requires_grad_(True)
        return {"x": torch.autograd.grad((x**4).sum(), x)[0]}

    potential = BatchedPotential(quadratic, LAYOUT, gradient_fn=zero)
    np.testing.assert_array_equal(potential.gradient(POINTS), torch.zeros(3, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        gradients = BatchedPotential(quadratic, LAYOUT, gradient_fn=surrogate).gradient(POINTS)
    np.testing.assert_allclose(gradients, 4 * POINTS**3)


def test_substitute_gradient_allows_a_potential_without_derivative():
    def black_box(sites):
        return torch.as_tensor(float(np.sum(sites["x"].numpy() ** 2)))

    potential = BatchedPotential(black_box, LAYOUT, gradient_fn=halved)
    with pytest.warns(RuntimeWarning, match="the potential cannot be evaluated"):
        energies, gradients = potential.energy_and_gradient(POINTS)
    np.testing.assert_allclose(energies, (POINTS**2).sum(1))
    np.testing.assert_array_equal(gradients, POINTS / 2)
    assert potential.rung == "loop, fx"


@pytest.mark.parametrize(
    ("gradient_fn", "message"),
    [
        (lambda sites: {"y": sites["x"]}, r"sites \['x'\], got \['y'\]"),
        (lambda sites: {"x": sites["x"][:1]}, r"\['x'\] must have a shape that ends in \(2,\)"),
        (lambda sites: {"x": torch.zeros(3, 2)}, r"one particle's shapes"),
        (lambda sites: sites["x"], "got Tensor"),
    ],
)
def test_bad_results_of_gradient_fn_are_named(gradient_fn, message):
    with pytest.raises(ValueError, match=message):
        BatchedPotential(quadratic, LAYOUT, gradient_fn=gradient_fn).gradient(POINTS)


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_no_force_where_gradient_fn_is_not_finite(bad, noisy):
    def failing(sites):
        return {"x": torch.where(sites["x"] > 2, bad, sites["x"])}

    potential = BatchedPotential(quadratic, LAYOUT, gradient_fn=failing, noisy_gradient=noisy)
    energies, gradients = potential.energy_and_gradient(POINTS)
    # As in NumPyro's adapter, the other entries of that particle stay.
    np.testing.assert_array_equal(gradients, torch.where(POINTS > 2, 0.0, POINTS))
    np.testing.assert_allclose(energies, (POINTS**2).sum(1) / 2)


def noisy(sites):
    return {"x": sites["x"] + torch.randn(2)}


def test_noisy_gradient_is_fresh_at_every_call_and_for_every_particle():
    potential = BatchedPotential(quadratic, LAYOUT, gradient_fn=noisy, noisy_gradient=True)
    noise = torch.stack([potential.gradient(POINTS) - POINTS for _ in range(50)])
    assert len(noise.unique()) == noise.numel()
    assert potential.rung == "vmap"
    assert "repeat the same random numbers" in potential.reason
    # 300 independent standard normal numbers: five standard errors.
    assert abs(noise.mean()) < 5 / 300**0.5


def test_noisy_gradient_falls_back_to_the_loop():
    def numpy_noise(sites):
        return {"x": torch.as_tensor(sites["x"].numpy() + np.random.default_rng().normal(size=2))}

    potential = BatchedPotential(quadratic, LAYOUT, gradient_fn=numpy_noise, noisy_gradient=True)
    with pytest.warns(RuntimeWarning, match="gradient_fn cannot be evaluated"):
        first = potential.gradient(POINTS)
    assert not torch.isclose(first, potential.gradient(POINTS)).any()


def test_randomness_that_was_not_announced_is_refused():
    with pytest.raises(ValueError, match=r"gradient_fn is random.*noisy_gradient=True"):
        BatchedPotential(quadratic, LAYOUT, gradient_fn=noisy).gradient(POINTS)

    def random_energy(sites):
        return quadratic(sites) + torch.rand(())

    with pytest.raises(ValueError, match="the potential is random"):
        BatchedPotential(random_energy, LAYOUT).energy_and_gradient(POINTS)
