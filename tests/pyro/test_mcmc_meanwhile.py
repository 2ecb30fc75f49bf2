"""What goes on during a run of `fhl_ppl.pyro.MCMC`: hooks, the progress bar, validation."""

import numpy as np
import pyro
import pyro.infer
import pytest
import torch

from fhl_ppl.pyro import FHL, MCMC
from tests.pyro.many_chains import CHAINS, DATA, draws, ran
from tests.pyro.small import model


def test_hook_sees_all_chains_and_every_iteration():
    seen = []

    def hook(kernel, sites, stage, i):
        seen.append((stage, i))
        kept.append(sites["mu"].clone())
        assert sites["scale"].shape == (CHAINS, 2)
        assert set(kernel.logging()) == {"step size", "acc. prob", "pull"}

    kept = []
    mcmc = ran(num_samples=4, warmup_steps=3, hook_fn=hook)
    assert seen == [*(("Warmup", i) for i in range(3)), *(("Sample", i) for i in range(4))]
    np.testing.assert_array_equal(torch.stack(kept[3:], 1), draws(mcmc)["mu"])


def test_a_hook_of_one_chain_sees_the_shapes_that_pyro_gives():
    shapes = []

    def hook(kernel, sites, stage, i):
        shapes.append({name: tuple(value.shape) for name, value in sites.items()})

    ran(num_samples=1, warmup_steps=1, num_chains=1, hook_fn=hook)
    assert shapes == [{"mu": (), "scale": (2,)}] * 2


def test_progress_bar_shows_step_size_acceptance_and_pull(capsys, monkeypatch):
    monkeypatch.setattr("fhl_ppl.pyro.run.progress.SECONDS_BETWEEN_MESSAGES", 0.0)
    # There Pyro shows no progress.
    for name in ("CI", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    pyro.set_rng_seed(0)
    mcmc = MCMC(FHL(model, pulling_strength=0.25), 5, 5, num_chains=4)
    mcmc.run(DATA)
    shown = capsys.readouterr().err
    for text in ("Sample", "100%", "step size=", "acc. prob=", "pull=0.25"):
        assert text in shown


@pytest.mark.parametrize("disabled", [True, False, None])
def test_validation_is_put_back(disabled):
    seen = []

    def hook(*_):
        seen.append(torch.distributions.Distribution._validate_args)

    before = torch.distributions.Distribution._validate_args
    ran(num_samples=2, warmup_steps=1, hook_fn=hook, disable_validation=disabled)
    assert set(seen) == {before if disabled is None else not disabled}
    assert torch.distributions.Distribution._validate_args == before
