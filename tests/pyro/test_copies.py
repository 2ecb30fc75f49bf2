"""What users write into the values that they are given moves no particle."""

import numpy as np
import pyro
import pytest
import torch

from fhl_ppl.pyro import FHL, MCMC
from fhl_ppl.pyro.batching.potential import BatchedPotential
from fhl_ppl.pyro.model.layout import SiteLayout

LAYOUT = SiteLayout({"x": torch.zeros(2), "y": torch.zeros(())})
START = {name: torch.zeros(4, *shape) for name, shape in LAYOUT.shapes.items()}


def gaussian(sites):
    return (sites["x"] ** 2).sum() / 2 + sites["y"] ** 2 / 2


def written(sites):
    return {name: value.clamp_(-1.0, 1.0) for name, value in sites.items()}


def kept(sites):
    return {name: value.clamp(-1.0, 1.0) for name, value in sites.items()}


def written_energy(sites):
    return gaussian({name: value.mul_(2.0) for name, value in sites.items()})


def branching(sites):
    """One that only a loop can evaluate."""
    return written(sites) if int(sites["y"]) < 5 else kept(sites)


def draws(kernel, **settings):
    pyro.set_rng_seed(0)
    options = {"initial_params": START, "num_chains": 4, "disable_progbar": True}
    mcmc = MCMC(kernel, 15, 15, **options, **settings)
    mcmc.run()
    return mcmc.get_samples(group_by_chain=True)


@pytest.mark.parametrize("gradient_fn", [written, branching])
@pytest.mark.filterwarnings("ignore:gradient_fn cannot be evaluated")
def test_a_gradient_that_writes(gradient_fn):
    expected = draws(FHL(potential_fn=gaussian, gradient_fn=kept))
    found = draws(FHL(potential_fn=gaussian, gradient_fn=gradient_fn))
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize("noisy_gradient", [False, True])
@pytest.mark.parametrize("field", ["energy", "gradient"])
def test_positions_are_left_as_they_are(noisy_gradient, field):
    potential = BatchedPotential(
        written_energy, LAYOUT, gradient_fn=written, noisy_gradient=noisy_gradient
    )
    position = torch.linspace(-3.0, 3.0, 12).reshape(4, 3)
    before = position.clone()
    for _ in range(3):
        getattr(potential, field)(position)
        np.testing.assert_array_equal(position, before)
    np.testing.assert_allclose(potential.energy(position), 2 * (before**2).sum(-1), rtol=1e-6)


def test_a_hook_that_writes():
    def hook(kernel, samples, stage, i):
        for value in (*samples.values(), *kernel.initial_params.values()):
            value.fill_(7.0)

    kernel = FHL(potential_fn=gaussian)
    expected = draws(kernel)
    found = draws(kernel, hook_fn=hook)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
