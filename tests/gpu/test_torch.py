"""On a GPU: particles, what is learnt and the draws are there, and the moments are right.

`make test-gpu` runs these. FHL_PLATFORM=cpu tries the tests themselves where there is no GPU.
"""

import os

import numpy as np
import pytest

from tests.conftest import importorskip

torch = importorskip("torch")
pyro = importorskip("pyro")

import pyro.distributions as dist

import fhl_ppl
from fhl_ppl.pyro import FHL, MCMC

pytestmark = pytest.mark.gpu

PLATFORM = os.environ.get("FHL_PLATFORM", "cuda").replace("gpu", "cuda")


def tensors(tree):
    if torch.is_tensor(tree):
        yield tree
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from tensors(value)
    elif isinstance(tree, tuple):
        for value in tree:
            yield from tensors(value)


@pytest.fixture
def device():
    if PLATFORM == "cuda" and not torch.cuda.is_available():
        pytest.skip("Torch finds no GPU")
    return torch.device(PLATFORM)


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_all_is_on_the_device_and_right(device, precision):
    data = torch.tensor([1.0, 2.0, 3.0, 2.0], device=device, dtype=precision)

    def model(data):
        scale = torch.full((), 10.0, device=device, dtype=precision)
        mean = pyro.sample("mean", dist.Normal(0 * scale, scale))
        with pyro.plate("rows", 4):
            pyro.sample("y", dist.Normal(mean, torch.ones_like(mean)), obs=data)

    pyro.set_rng_seed(0)
    mcmc = MCMC(FHL(model), 200, num_chains=256, warmup_steps=200, disable_progbar=True)
    found = fhl_ppl.stream(mcmc, data, progress=False)
    engine = mcmc._chains.engine
    for tensor in tensors((engine.state, engine.learnt)):
        assert tensor.device.type == device.type
    assert engine.arrays.tensor(engine.state.position).dtype == precision
    exact = 1 / (4 + 0.01)
    assert abs(found.mean["mean"] - 8 * exact) < 5 * found.mcse["mean"]
    np.testing.assert_allclose(found.sd["mean"], exact**0.5, rtol=0.05)
