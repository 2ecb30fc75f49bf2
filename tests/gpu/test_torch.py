"""On a GPU: particles, what is learnt and the draws are there, and the moments are right.

`make test-gpu` runs these. FHL_PLATFORM=cpu tries the tests themselves where there is no GPU.
"""

import json
import os

import numpy as np
import pytest

from tests.conftest import importorskip

torch = importorskip("torch")
pyro = importorskip("pyro")

import pyro.distributions as dist

import fhl_ppl
from fhl_ppl.pyro import FHL, MCMC
from fhl_ppl.pyro.run.randomness import Randomness

pytestmark = pytest.mark.gpu

PLATFORM = os.environ.get("FHL_PLATFORM", "cuda").replace("gpu", "cuda")
CHAINS, DIM = 64, 5


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


def potential(sites):
    curvature = torch.arange(1.0, DIM + 1, dtype=sites["x"].dtype, device=sites["x"].device)
    return 0.5 * (sites["x"] ** 2 * curvature).sum()


def begun(device, precision, warmup_steps, num_samples, **settings):
    """A run of particles on `device`, from the same places wherever that is."""
    start = torch.randn((CHAINS, DIM), generator=torch.Generator().manual_seed(1), dtype=precision)
    return MCMC(
        FHL(potential_fn=potential, **settings),
        num_samples,
        warmup_steps=warmup_steps,
        num_chains=CHAINS,
        initial_params={"x": start.to(device)},
        disable_progbar=True,
    )


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_the_draws_are_those_of_a_cpu(device, precision, monkeypatch):
    """A fixed tuning; in single precision chaos makes of rounding more than that after a while."""
    steps, error = {torch.float32: (3, 1e-3), torch.float64: (50, 1e-7)}[precision]
    new_block = Randomness._new_block

    def of_the_cpu(self):
        where, self._like = self._like.device, self._like.cpu()
        own, self.generator = self.generator, torch.Generator().manual_seed(3)
        block = new_block(self)
        self._like, self.generator = self._like.to(where), own
        return type(block)(*(None if part is None else part.to(where) for part in block))

    monkeypatch.setattr(Randomness, "_new_block", of_the_cpu)
    ends = []
    for where in (device, torch.device("cpu")):
        settings = {"step_size": 0.5, "adapt_step_size": False, "jumps": False}
        mcmc = begun(where, precision, 0, steps, **settings)
        mcmc.run()
        ends.append(mcmc.get_samples(group_by_chain=True)["x"][:, -1])
    assert ends[0].device.type == device.type
    np.testing.assert_allclose(ends[0].cpu(), ends[1], rtol=0, atol=error)


def bytes_to_the_host(trace):
    """Of every copy from the device in a trace of Torch's profiler."""
    events = json.loads(trace.read_text())["traceEvents"]
    return [event["args"]["bytes"] for event in events if "Memcpy DtoH" in event.get("name", "")]


def test_the_loop_tells_the_host_no_more_than_which_way_to_go(device, tmp_path):
    """Single flags: numbers of steps and all else that it decides by are known ahead."""
    mcmc = begun(device, torch.float32, 50, 10)
    mcmc.run()
    engine = mcmc._chains.engine
    with torch.profiler.profile() as profile:
        for _ in range(20):
            engine.advance()
    profile.export_chrome_trace(str(tmp_path / "trace.json"))
    told = bytes_to_the_host(tmp_path / "trace.json")
    assert set(told) <= {1}
    assert len(told) <= 8 * 20


def test_what_is_told_to_the_host_is_seen(device, tmp_path):
    if device.type == "cpu":
        pytest.skip("nothing is copied from a CPU")
    there = torch.zeros(3, device=device)
    with torch.profiler.profile() as profile:
        there.cpu()
    profile.export_chrome_trace(str(tmp_path / "trace.json"))
    assert bytes_to_the_host(tmp_path / "trace.json") == [12]


def test_what_follows_a_run_goes_on_from_there(device, tmp_path):
    """Draws on the device, and what reads them: reports, evidence, a store, a resumed run."""
    for library in ("arviz", "zarr"):
        importorskip(library)
    data = torch.tensor([1.0, 2.0, 3.0, 2.0], device=device)

    def model(data):
        mean = pyro.sample("mean", dist.Normal(torch.zeros(2, device=device), 10.0).to_event(1))
        sd = pyro.sample("sd", dist.HalfNormal(torch.ones((), device=device)))
        with pyro.plate("rows", 4):
            pyro.sample("y", dist.Normal(mean.sum(), sd), obs=data)

    def made():
        return MCMC(FHL(model), 50, num_chains=8, warmup_steps=100, disable_progbar=True)

    pyro.set_rng_seed(0)
    mcmc = made()
    mcmc.run(data)
    assert mcmc.get_samples()["sd"].device.type == device.type
    assert np.isfinite(fhl_ppl.to_arviz(mcmc).posterior["mean"].values).all()
    assert list(fhl_ppl.summary(mcmc).index) == ["mean[0]", "mean[1]", "sd"]
    assert np.isfinite(fhl_ppl.log_evidence(mcmc).value)

    store = tmp_path / "run.zarr"
    pyro.set_rng_seed(1)
    fhl_ppl.run(made(), data, store=store, until=fhl_ppl.Until(draws=20), progress=False)
    resumed = fhl_ppl.run(made(), data, store=store, until=fhl_ppl.Until(draws=40), progress=False)
    assert resumed.draws == 40


def test_all_temperatures_are_there(device):
    data = torch.tensor([1.0, 2.0, 3.0, 2.0], device=device)

    def model(data):
        mean = pyro.sample("mean", dist.Normal(torch.zeros((), device=device), 3.0))
        with pyro.plate("rows", 4):
            pyro.sample("y", dist.Normal(mean, 1.0), obs=data)

    pyro.set_rng_seed(0)
    kernel = FHL(model, temperatures=3)
    mcmc = MCMC(kernel, 100, num_chains=16, warmup_steps=200, disable_progbar=True)
    mcmc.run(data)
    assert mcmc.get_samples()["mean"].device.type == device.type
    # y is N(0, 1 + 9 J) with J all 1.
    y, covariance = np.array([1.0, 2, 3, 2]), np.eye(4) + 9.0
    fit = y @ np.linalg.solve(covariance, y) + np.linalg.slogdet(2 * np.pi * covariance)[1]
    found = fhl_ppl.log_evidence(mcmc)
    assert abs(found.value + fit / 2) < 5 * found.error


def test_a_noisy_force_is_drawn_there(device):
    def noisy(sites):
        return {"x": sites["x"] + 0.5 * torch.randn(DIM, device=device)}

    mcmc = begun(device, torch.float32, 50, 50, gradient_fn=noisy, noisy_gradient=True)
    mcmc.run()
    assert mcmc.get_samples()["x"].device.type == device.type
