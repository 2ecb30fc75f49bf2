"""Runs of `FHL` in ArviZ: their statistics, groups, settings, moves and warm-up."""

import warnings
from collections import OrderedDict

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import MCMC
from pyro.infer.mcmc.util import select_samples

from fhl_ppl import moves, summary, to_arviz
from fhl_ppl.core.moves import MOVES
from fhl_ppl.core.report import Report
from fhl_ppl.core.statistics import ARVIZ_NAMES
from fhl_ppl.diagnostics.arviz_lines import datasets
from fhl_ppl.options import Options
from fhl_ppl.pyro import FHL
from fhl_ppl.pyro import MCMC as ParticleMCMC
from tests.conftest import importorskip
from tests.pyro.schools import Y, model

arviz = importorskip("arviz")

STATISTICS = set(ARVIZ_NAMES.values())


class Particles:
    """As much of a run with `FHL` as is read: statistics [chain, draw] among the diagnostics."""

    num_chains, num_samples, warmup_steps = 8, 25, 20

    def __init__(self, one_process=True):
        generator = torch.Generator().manual_seed(0)
        shape = (self.num_chains, self.num_samples)
        self.kernel = FHLLike()
        self._args, self._kwargs = (Y,), {}
        self._samples = {
            "mu": torch.randn(shape, generator=generator),
            "offset": torch.randn((*shape, 3), generator=generator),
        }
        self._one_process = one_process
        rng = np.random.default_rng(0)
        group = np.repeat([0, 1], 4) if one_process else np.zeros(8, int)
        self.statistics = {
            "potential_energy": rng.normal(size=shape),
            "energy": rng.normal(size=shape),
            "accept_prob": rng.uniform(size=shape),
            "diverging": rng.uniform(size=shape) < 0.1,
            "n_steps": rng.integers(1, 9, size=shape),
            "step_size": np.full(shape, 0.25),
            "pulling_strength": rng.uniform(size=shape),
            "is_leader": rng.uniform(size=shape) < 0.5,
            "move": rng.integers(0, 7, size=shape).astype(np.int8),
            "squared_jump": rng.exponential(size=shape),
            "mode": np.zeros(shape, np.int8),
            "group": np.repeat(group[:, None], self.num_samples, axis=1),
        }

    def get_samples(self, num_samples=None, group_by_chain=False):
        return select_samples(self._samples, num_samples, group_by_chain)

    def diagnostics(self):
        sites = {"mu": OrderedDict(n_eff=torch.tensor(1.0), r_hat=torch.tensor(1.0))}
        matrix = np.eye(4)
        weights = np.eye(4)[0], np.eye(len(MOVES))[0], np.ones(1)
        tuned = Report(*map(np.asarray, (0.25, 1.5, 0.0)), np.arange(4.0), *weights)
        rung = {"rung": "fx", "reason": ""}
        if self._one_process:
            learnt = {"inverse_mass_matrix": matrix, "tuned": tuned, "evaluation": rung}
            return sites | self.statistics | learnt
        by_chain = {
            name: {f"chain {k}": row for k, row in enumerate(values)}
            for name, values in self.statistics.items()
        }
        matrices = {f"chain {k}": matrix for k in range(self.num_chains)}
        settled = {f"chain {k}": tuned for k in range(self.num_chains)}
        rungs = dict.fromkeys(settled, rung)
        learnt = {"inverse_mass_matrix": matrices, "tuned": settled, "evaluation": rungs}
        return sites | by_chain | learnt


Particles.__module__ = "fhl_ppl.pyro.mcmc"


class FHLLike:
    options = Options()

    def __init__(self):
        self.model = model


def test_statistics_of_particles():
    mcmc = Particles()
    statistics = datasets(to_arviz(mcmc))["sample_stats"]
    assert set(statistics.data_vars) == STATISTICS
    np.testing.assert_allclose(statistics["lp"], -mcmc.statistics["potential_energy"])
    np.testing.assert_allclose(statistics["acceptance_rate"], mcmc.statistics["accept_prob"])
    for name in STATISTICS - {"lp", "acceptance_rate"}:
        np.testing.assert_allclose(statistics[name], mcmc.statistics[name])


@pytest.mark.parametrize("one_process", [True, False])
def test_groups_of_particles(one_process):
    """Reported chain by chain, each has companions of its own and is a group of its own."""
    posterior = datasets(to_arviz(Particles(one_process)))["posterior"]
    expected = np.repeat([0, 1], 4) if one_process else np.arange(8)
    np.testing.assert_array_equal(posterior["group"], expected)


@pytest.mark.parametrize("one_process", [True, False])
def test_settings_are_attributes(one_process):
    attributes = datasets(to_arviz(Particles(one_process)))["sample_stats"].attrs
    assert attributes["sampler"] == "fhl_ppl.pyro.FHL"
    assert attributes["group_size"] == 4
    assert attributes["adjusted"] == 1
    assert attributes["tuned_step_size"] == 0.25
    assert attributes["tuning_steps"] == 20
    assert attributes["metric"] == "dense"


def test_survives_the_disk(tmp_path):
    importorskip("h5netcdf")
    before = to_arviz(Particles(), log_likelihood=True)
    before.to_netcdf(str(tmp_path / "run.nc"), engine="h5netcdf")
    after = arviz.from_netcdf(str(tmp_path / "run.nc"), engine="h5netcdf")
    for name, dataset in datasets(before).items():
        assert dataset.equals(datasets(after)[name])


@pytest.mark.filterwarnings("ignore:.*draws diverged:UserWarning", "ignore:r_hat:UserWarning")
def test_summary_of_a_run(capsys):
    table = summary(Particles(), var_names="mu")
    assert list(table.index) == ["mu"]
    assert {"ess_bulk", "ess_group", "r_hat", "r_hat_group"} <= set(table.columns)
    assert "ess_group" in capsys.readouterr().out


@pytest.fixture(scope="module", params=["fhl_ppl.pyro.MCMC", "pyro.infer.MCMC"])
def fhl(request):
    """A run with `FHL` and its conversion, by either class."""
    pyro.set_rng_seed(0)
    ours = request.param == "fhl_ppl.pyro.MCMC"
    kernel = FHL(model, dense_mass=[("mu", "offset")])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="num_chains=4 is more than available_cpu")
        mcmc = (ParticleMCMC if ours else MCMC)(kernel, 20, 30, num_chains=4, disable_progbar=True)
        mcmc.run(Y)
    data = to_arviz(
        mcmc,
        log_likelihood=True,
        posterior_predictive=True,
        coords={"school": ["a", "b", "c"]},
        dims={"offset": ["place"]},
    )
    return ours, mcmc, datasets(data)


def test_a_run_with_fhl_is_complete(fhl):
    ours, mcmc, data = fhl
    assert set(data) == {
        *("posterior", "sample_stats", "observed_data"),
        *("log_likelihood", "posterior_predictive"),
    }
    for name, values in mcmc.get_samples(group_by_chain=True).items():
        np.testing.assert_array_equal(data["posterior"][name], values)
    assert data["posterior"]["offset"].dims == ("chain", "draw", "place")
    assert data["log_likelihood"]["y"].dims == ("chain", "draw", "pupil", "school")
    assert list(data["log_likelihood"]["school"].values) == ["a", "b", "c"]
    assert data["posterior_predictive"]["y"].shape == (4, 20, 2, 3)
    np.testing.assert_array_equal(data["observed_data"]["y"], Y)
    expected = [0, 0, 0, 0] if ours else [0, 1, 2, 3]
    np.testing.assert_array_equal(data["posterior"]["group"], expected)


def test_statistics_of_a_run_with_fhl_are_those_of_its_draws(fhl):
    ours, _, data = fhl
    statistics = data["sample_stats"]
    assert set(statistics.data_vars) == STATISTICS
    for name in STATISTICS:
        assert statistics[name].dims == ("chain", "draw")
    # lp is the log density: that of the observations, the priors and the factor, of this draw.
    mu, offset = (torch.as_tensor(data["posterior"][name].values) for name in ("mu", "offset"))
    expected = torch.as_tensor(data["log_likelihood"]["y"].values).sum((2, 3)) - mu**2 / 50
    expected += dist.Normal(0.0, 5.0).log_prob(mu) + dist.Normal(0.0, 1.0).log_prob(offset).sum(-1)
    np.testing.assert_allclose(statistics["lp"], expected.numpy(), rtol=1e-4)
    assert (statistics["energy"] >= -statistics["lp"]).all()
    assert statistics["n_steps"].min() >= 1
    attributes = statistics.attrs
    assert attributes["sampler"] == "fhl_ppl.pyro.FHL"
    assert attributes["metric"] == "blocks"
    # One for all, or a list of those of chains that tune on their own.
    assert np.size(attributes["tuned_step_size"]) == (1 if ours else 4)
    assert (statistics["step_size"] <= np.max(attributes["tuned_step_size"]) * (1 + 1e-6)).all()
    np.testing.assert_allclose(np.sum(attributes["pull_probabilities"]), 1, rtol=1e-5)
    jumped = statistics["move"] > 0
    assert (statistics["n_steps"].where(jumped, 1) == 1).all()
    assert (statistics["squared_jump"] >= 0).all()


def test_moves_of_a_run_with_fhl(fhl):
    _, mcmc, data = fhl
    table = moves(mcmc)
    share = (data["sample_stats"]["move"] == 0).mean()
    np.testing.assert_allclose(table["share"]["trajectory"], share)
    names = data["sample_stats"].attrs["moves"].split(", ")
    assert set(table.index) <= {*names, "all"}


@pytest.mark.parametrize("dense", [True, False])
def test_form_of_the_metric_of_a_run(dense):
    mcmc = MCMC(FHL(model, dense_mass=dense), 4, 4, disable_progbar=True)
    mcmc.run(Y)
    attributes = datasets(to_arviz(mcmc))["sample_stats"].attrs
    assert attributes["metric"] == ("dense" if dense else "diagonal")


def test_a_warm_up_that_is_kept_comes_along_and_changes_no_draw():
    draws = []
    for keep in (False, True):
        pyro.set_rng_seed(3)
        mcmc = ParticleMCMC(
            FHL(model), 10, 15, num_chains=8, disable_progbar=True, keep_warmup=keep
        )
        mcmc.run(Y)
        draws.append(mcmc.get_samples(group_by_chain=True)["mu"])
    np.testing.assert_array_equal(*draws)
    kept = datasets(to_arviz(mcmc))["warmup_sample_stats"]
    assert dict(kept.sizes)["draw"] == 15
    np.testing.assert_array_equal(kept["group"], np.repeat([0, 1], 4))
    # In every iteration each group of four has its leader.
    np.testing.assert_array_equal(kept["is_leader"].sum("chain"), 2)
