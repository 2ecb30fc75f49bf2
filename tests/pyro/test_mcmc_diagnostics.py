"""What `fhl_ppl.pyro.MCMC` tells of its draws."""

import numpy as np
import pyro
import pyro.infer
import pytest
import torch

from fhl_ppl.core.metrics.low_rank import LowRankMetric
from fhl_ppl.core.statistics import MEANINGS
from fhl_ppl.options import DENSE_LIMIT
from fhl_ppl.pyro import FHL
from tests.pyro.many_chains import CHAINS, DATA, draws, made, ran
from tests.pyro.small import model

STATISTICS = set(MEANINGS)


@pytest.fixture(scope="module")
def finished():
    return ran()


def test_diagnostics(finished):
    found = finished.diagnostics()
    assert set(found) == STATISTICS | {
        *("mu", "scale", "divergences", "acceptance rate", "inverse_mass_matrix", "tuned"),
        "evaluation",
        "parameters",
    }
    assert found["evaluation"] == {"rung": "fx", "reason": ""}
    np.testing.assert_allclose(found["tuned"].move_weight.sum(), 1)
    assert found["inverse_mass_matrix"].shape == (3, 3)
    assert set(found["mu"]) == {"n_eff", "r_hat"}
    assert found["scale"]["r_hat"].shape == (2,)
    for name in STATISTICS:
        assert found[name].shape == (CHAINS, 12)
    np.testing.assert_array_equal(found["group"][:, 0], [0, 0, 0, 1, 1, 1])
    names = [f"chain {k}" for k in range(CHAINS)]
    assert list(found["divergences"]) == list(found["acceptance rate"]) == names
    for name, row in zip(names, found["diverging"], strict=True):
        assert found["divergences"][name] == np.flatnonzero(row).tolist()
        assert 0 <= found["acceptance rate"][name] <= 1
    # Each is as in the model: here the energy less that of the momentum.
    assert (found["energy"] >= found["potential_energy"]).all()


def test_energies_belong_to_the_draws(finished):
    samples, problem = draws(finished), finished._chains.problem
    sites = {name: problem.transforms[name](value) for name, value in samples.items()}
    for chain, draw in ((0, 0), (3, 5), (5, 11)):
        one = {name: value[chain, draw] for name, value in sites.items()}
        expected = finished.diagnostics()["potential_energy"][chain, draw]
        np.testing.assert_allclose(problem.potential_fn(one), expected, rtol=1e-4)


def test_summary(finished, capsys):
    finished.summary(prob=0.8)
    printed = capsys.readouterr().out
    for text in ("mu", "scale[0]", "scale[1]", "10.0%", "90.0%", "Number of divergences:"):
        assert text in printed


def test_many_chains_are_named_in_order():
    mcmc = ran(num_chains=12, num_samples=2, warmup_steps=2)
    names = list(mcmc.diagnostics()["divergences"])
    # ArviZ sorts them as text.
    assert names == sorted(names)
    assert names[:2] == ["chain 00", "chain 01"]


@pytest.mark.parametrize("num_samples", [0, 1, 3])
def test_too_few_draws_for_an_r_hat(num_samples):
    mcmc = ran(num_samples=num_samples)
    assert draws(mcmc)["scale"].shape == (CHAINS, num_samples, 2)
    assert mcmc.state_dict()["iteration"] == 15 + num_samples
    found = mcmc.diagnostics()
    assert found["scale"]["r_hat"].isnan().tolist() == [True, True]
    assert len(found["divergences"]) == CHAINS


def test_what_scripts_for_nuts_read():
    kernel = FHL(model)
    assert (kernel.step_size, kernel.trajectory_length, kernel.num_steps) == (1.0, None, None)
    assert (kernel.inverse_mass_matrix, kernel.potential_fn) == ({}, None)
    mcmc = made(kernel)
    mcmc.run(DATA)
    kernel.clear_cache()
    found = mcmc.diagnostics()
    assert kernel.step_size == found["tuned"].step_size > 0
    assert kernel.trajectory_length == found["tuned"].trajectory_length
    assert kernel.num_steps >= 1
    matrix = kernel.mass_matrix_adapter.inverse_mass_matrix["mu", "scale"]
    np.testing.assert_array_equal(matrix, found["inverse_mass_matrix"])
    energy = kernel.potential_fn(kernel.initial_params)
    assert torch.isfinite(energy)


def test_above_the_limit_the_metric_is_of_low_rank():
    # One wide direction across all coordinates, of which no scale knows.
    dim, variance = DENSE_LIMIT + 10, 400.0
    along = torch.ones(dim, dtype=torch.double) / dim**0.5

    def potential_fn(sites):
        x = sites["x"]
        return (x @ x - (1 - 1 / variance) * (x @ along) ** 2) / 2

    pyro.set_rng_seed(0)
    starts = {"x": torch.randn(4, dim, dtype=torch.double)}
    kernel = FHL(potential_fn=potential_fn, inverse_mass_matrix=2 * torch.ones(dim))
    mcmc = made(kernel, 60, 150, num_chains=4, initial_params=starts)
    mcmc.run()
    metric = mcmc.diagnostics()["inverse_mass_matrix"]
    assert isinstance(metric, LowRankMetric)
    widest = int(np.argmax(metric.variance))
    assert metric.variance[widest] > variance / 4
    assert abs(metric.directions[:, widest] @ along.numpy()) > 0.9
    # A metric that did not know it would need twenty times the steps of one that does.
    assert mcmc.diagnostics()["n_steps"].mean() < 20
