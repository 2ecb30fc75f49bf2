"""`fhl_ppl.run` on `fhl_ppl.pyro.MCMC`: the draws of its own `run`, and what is made of them."""

import os
import signal

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import fhl_ppl
from fhl_ppl import Until
from fhl_ppl.pyro import FHL, MCMC
from tests.conftest import importorskip

DATA = torch.tensor([1.0, 2.0, 3.0, 2.0])


def model(y):
    mu = pyro.sample("mu", dist.Normal(torch.tensor(0.0), 10.0))
    scale = pyro.sample("scale", dist.HalfNormal(torch.ones(2)).to_event(1))
    with pyro.plate("data", len(y)):
        pyro.sample("y", dist.Normal(mu, scale.sum()), obs=y)


def make(num_samples=60, num_chains=8, kernel=(), **options):
    options = {"disable_progbar": True, "warmup_steps": 50} | options
    return MCMC(FHL(model, **dict(kernel)), num_samples, num_chains=num_chains, **options)


def plain_run(mcmc):
    pyro.set_rng_seed(0)
    mcmc.run(DATA)
    return mcmc


def run(mcmc, *args, **options):
    pyro.set_rng_seed(0)
    return fhl_ppl.run(mcmc, *args or (DATA,), **options)


def draws(mcmc):
    return {k: v.numpy() for k, v in mcmc.get_samples(group_by_chain=True).items()}


def assert_same(left, right):
    """The draws, and every number of the diagnostics."""
    for one, other in ((draws(left), draws(right)), (left.diagnostics(), right.diagnostics())):
        assert list(one) == list(other)
        for name, value in one.items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(value, other[name], err_msg=name)
    assert left.diagnostics()["acceptance rate"] == right.diagnostics()["acceptance rate"]


@pytest.mark.parametrize("num_chains", [8, 1])
def test_the_draws_are_those_of_an_undisturbed_run(num_chains):
    kernel = {"keep_companions": num_chains == 1}
    plain, in_blocks = (
        make(num_chains=num_chains, kernel=kernel),
        make(num_chains=num_chains, kernel=kernel),
    )
    plain_run(plain)
    status = run(in_blocks, block=17)
    assert (status.draws, status.stopped) == (60, "draws")
    assert_same(plain, in_blocks)
    for name, value in plain.diagnostics().get("companions", {}).items():
        np.testing.assert_array_equal(value, in_blocks.diagnostics()["companions"][name])


def test_looking_on_changes_nothing():
    """Neither ESS nor a callback that reads all draws takes random numbers or moves a particle."""
    importorskip("arviz")
    plain, watched = make(300), make(300)
    plain_run(plain)
    seen = []

    def callback(status):
        seen.append((draws(watched)["mu"].shape[1], watched.diagnostics()["energy"].shape[1]))

    status = run(watched, until=Until(ess=1e6, draws=300), callback=callback)
    assert seen == [(50, 50), (100, 100), (150, 150), (200, 200), (250, 250), (300, 300)]
    assert status.quality.ess > 0
    assert_same(plain, watched)


def test_a_disturbance_would_be_seen():
    plain, disturbed = make(), make()
    plain_run(plain)

    def callback(status):
        engine = disturbed._chains.engine
        engine.state = engine.state._replace(position=engine.state.position + 1e-6)

    run(disturbed, callback=callback, block=20)
    with pytest.raises(AssertionError):
        assert_same(plain, disturbed)


def test_what_reads_a_run_reads_this():
    importorskip("arviz")
    mcmc = make()
    run(mcmc, until=Until(draws=130))
    data = fhl_ppl.to_arviz(mcmc)
    assert dict(data["posterior"].sizes) == {"chain": 8, "draw": 130, "scale_dim_0": 2}
    assert "lp" in data["sample_stats"]
    assert fhl_ppl.summary(mcmc, show=False).shape[0] == 3
    mcmc.summary()


def test_gradients_are_counted():
    mcmc = make(warmup_steps=0)
    status = run(mcmc)
    assert status.gradients == mcmc.diagnostics()["n_steps"].sum()


def test_hooks_are_called_as_ever():
    calls = {}
    for how in (plain_run, lambda mcmc: run(mcmc, block=7)):
        seen = calls.setdefault(len(calls), [])
        how(make(hook_fn=lambda *args, seen=seen: seen.append(args[2:])))
    assert calls[0] == calls[1]


def test_an_interrupt_keeps_every_draw():
    """Ctrl-C in the middle of a block, as it comes from a terminal."""

    def hook(kernel, samples, stage, i):
        if (stage, i) == ("Sample", 24):
            os.kill(os.getpid(), signal.SIGINT)

    mcmc, plain = make(hook_fn=hook), make()
    status = run(mcmc, block=20)
    plain_run(plain)
    assert (status.stopped, status.draws) == ("interrupt", 25)
    np.testing.assert_array_equal(draws(mcmc)["mu"], draws(plain)["mu"][:, :25])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"until": 400}, "until must be a fhl_ppl.Until or None, got 400"),
        ({"callback": 3}, "callback must be a function"),
        ({"block": 0}, "block must be a whole number of iterations from 1, got 0"),
        ({"block": 2.5}, "block must be a whole number"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        run(make(), **arguments)


def test_other_things_are_refused():
    with pytest.raises(TypeError, match=r"mcmc must be a fhl_ppl.pyro.MCMC .* got pyro.infer"):
        fhl_ppl.run(pyro.infer.MCMC(FHL(model), 10), DATA)
    with pytest.raises(TypeError, match=r"mcmc must be a numpyro.infer.MCMC, .* got int"):
        fhl_ppl.run(3, DATA)
