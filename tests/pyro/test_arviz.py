"""Pyro runs in ArviZ, of which 1.x has no converter and 0.x one that knows divergences only."""

import warnings
from collections import OrderedDict

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import MCMC, NUTS, config_enumerate
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

arviz = importorskip("arviz")

Y = torch.tensor([[1.0, 2.0, 0.5], [2.5, 1.0, 1.5]])
STATISTICS = set(ARVIZ_NAMES.values())


def model(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    pyro.factor("penalty", -(mu**2) / 50)
    with pyro.plate("school", 3):
        offset = pyro.sample("offset", dist.Normal(0.0, 1.0))
        theta = pyro.deterministic("theta", mu + offset)
        with pyro.plate("pupil", 2):
            pyro.sample("y", dist.Normal(theta, 1.0), obs=y)


def one_by_one(y):
    """A model that would be silently wrong if all draws went through it at once."""
    mu = pyro.sample("mu", dist.Normal(torch.zeros(2), 5.0).to_event(1))
    pyro.sample("y", dist.Normal(mu.sum(), 1.0), obs=y)


def mixture(y):
    mu = pyro.sample("mu", dist.Normal(torch.tensor([-1.0, 1.0]), 1.0).to_event(1))
    with pyro.plate("data", len(y)):
        component = pyro.sample("component", dist.Bernoulli(0.5))
        pyro.sample("y", dist.Normal(mu[component.long()], 1.0), obs=y)


def run(model, *args, num_samples=30, num_chains=1):
    mcmc = MCMC(
        NUTS(model),
        num_samples=num_samples,
        warmup_steps=20,
        num_chains=num_chains,
        disable_progbar=True,
    )
    mcmc.run(*args)
    return mcmc


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


@pytest.fixture(scope="module")
def mcmc():
    pyro.set_rng_seed(0)
    return run(model, Y, num_chains=2)


@pytest.fixture(scope="module")
def data(mcmc):
    coords = {"school": ["a", "b", "c"]}
    return datasets(to_arviz(mcmc, log_likelihood=True, posterior_predictive=True, coords=coords))


pytestmark = pytest.mark.filterwarnings("ignore:num_chains=2 is more than available_cpu")


def test_draws_are_those_of_the_run(mcmc, data):
    for name, values in mcmc.get_samples(group_by_chain=True).items():
        np.testing.assert_allclose(data["posterior"][name], values)
    assert data["posterior"].attrs["inference_library"] == "pyro"


def test_plates_name_the_dimensions(data):
    assert data["posterior"]["offset"].dims == ("chain", "draw", "school")
    assert list(data["posterior"]["school"].values) == ["a", "b", "c"]
    assert data["observed_data"]["y"].dims == ("pupil", "school")


def test_dims_can_be_given(mcmc):
    found = datasets(to_arviz(mcmc, dims={"offset": ["place"]}))
    assert found["posterior"]["offset"].dims == ("chain", "draw", "place")


def test_observed_data_are_the_observations_only(data):
    """Pyro also marks factors and deterministic sites as observed."""
    assert set(data["observed_data"].data_vars) == {"y"}
    np.testing.assert_allclose(data["observed_data"]["y"], Y)


def test_divergences_of_other_kernels(mcmc, monkeypatch):
    diagnostics = mcmc.diagnostics() | {"divergences": {"chain 0": [], "chain 1": [3, 7]}}
    monkeypatch.setattr(mcmc, "diagnostics", lambda: diagnostics)
    diverging = datasets(to_arviz(mcmc))["sample_stats"]["diverging"]
    assert diverging.dtype == bool
    np.testing.assert_array_equal(np.argwhere(diverging.values), [[1, 3], [1, 7]])


def test_other_kernels_have_no_groups_and_no_settings(data):
    assert "group" not in data["posterior"].coords
    assert "sampler" not in data["posterior"].attrs


def test_log_likelihood(data):
    mu, offset = data["posterior"]["mu"], data["posterior"]["offset"]
    theta = torch.as_tensor((mu + offset).values)[:, :, None]
    assert data["log_likelihood"]["y"].dims == ("chain", "draw", "pupil", "school")
    expected = dist.Normal(theta, 1.0).log_prob(Y)
    np.testing.assert_allclose(data["log_likelihood"]["y"], expected, rtol=1e-5)


def test_log_likelihood_of_a_model_that_cannot_be_batched():
    mcmc = run(one_by_one, torch.tensor(1.0), num_samples=10)
    found = datasets(to_arviz(mcmc, log_likelihood=True))
    mean = mcmc.get_samples(group_by_chain=True)["mu"].sum(-1)
    expected = dist.Normal(mean, 1.0).log_prob(torch.tensor(1.0))
    np.testing.assert_allclose(found["log_likelihood"]["y"], expected, rtol=1e-5)


def test_posterior_predictive_draws_the_observations_again(data):
    mu, offset = data["posterior"]["mu"], data["posterior"]["offset"]
    drawn = data["posterior_predictive"]["y"]
    assert drawn.shape == (2, 30, 2, 3)
    noise = drawn.values - (mu + offset).values[:, :, None]
    # 360 standard normal draws.
    np.testing.assert_allclose(noise.mean(), 0, atol=5 / np.sqrt(noise.size))
    np.testing.assert_allclose(noise.std(), 1, atol=5 / np.sqrt(2 * noise.size))


def test_converting_leaves_the_random_state_alone(mcmc):
    pyro.set_rng_seed(5)
    expected = torch.rand(3)
    pyro.set_rng_seed(5)
    to_arviz(mcmc, posterior_predictive=True)
    np.testing.assert_array_equal(torch.rand(3), expected)


def test_given_predictive_and_prior_draws(mcmc):
    given = torch.arange(360.0).reshape(60, 2, 3)
    prior = {"mu": torch.arange(5.0), "y": torch.zeros(5, 2, 3)}
    found = datasets(to_arviz(mcmc, posterior_predictive={"y": given}, prior=prior))
    drawn = found["posterior_predictive"]["y"]
    np.testing.assert_allclose(drawn, given.reshape(2, 30, 2, 3))
    np.testing.assert_allclose(found["prior"]["mu"][0], prior["mu"])
    assert found["prior_predictive"]["y"].shape == (1, 5, 2, 3)
    with pytest.raises(ValueError, match=r"posterior_predictive has shape \(7,\) for 'y'"):
        to_arviz(mcmc, posterior_predictive={"y": torch.zeros(7)})


def test_predictive_draws_have_the_shape_of_the_data_without_a_plate_too():
    def without_plates(y):
        mu = pyro.sample("mu", dist.Normal(torch.zeros(2), 1.0).to_event(1))
        pyro.sample("y", dist.Normal(mu.sum(), 1.0), obs=y)

    mcmc = run(without_plates, torch.tensor([1.0, 2.0, 3.0]), num_samples=50)
    options = {"posterior_predictive": True, "log_likelihood": True}
    found = datasets(to_arviz(mcmc, **options, dims={"y": ["pupil"], "mu": ["part"]}))
    drawn = found["posterior_predictive"]["y"]
    assert drawn.dims == found["log_likelihood"]["y"].dims == ("chain", "draw", "pupil")
    noise = drawn.values - found["posterior"]["mu"].sum("part").values[..., None]
    # 150 draws, each of its own: 5 standard errors.
    np.testing.assert_allclose(noise.std(), 1, atol=5 / np.sqrt(2 * noise.size))
    assert noise.std(axis=-1).min() > 0


@pytest.mark.parametrize(("name", "names", "rank"), [("mu", ["a"], 0), ("y", "abc", 2)])
def test_refuses_more_dims_than_there_are(mcmc, name, names, rank):
    with pytest.raises(ValueError, match=f"dims gives '{name}' .* but it has {rank} dimensions"):
        to_arviz(mcmc, dims={name: list(names)})


@pytest.mark.parametrize("wanted", ["log_likelihood", "posterior_predictive"])
def test_refuses_what_a_summed_out_site_decides(wanted):
    mcmc = run(config_enumerate(mixture), torch.tensor([-1.0, 1.0]), num_samples=5)
    with pytest.raises(ValueError, match="draws of 'component', which the posterior lacks"):
        to_arviz(mcmc, **{wanted: True})


def test_refuses_predictive_draws_without_observations():
    mcmc = run(lambda: pyro.sample("x", dist.Normal(0.0, 1.0)), num_samples=5)
    with pytest.raises(ValueError, match="needs a model with observed sites"):
        to_arviz(mcmc, posterior_predictive=True)


def test_refuses_a_run_that_has_not_been():
    with pytest.raises(ValueError, match=r"call mcmc.run"):
        to_arviz(MCMC(NUTS(model), num_samples=1))


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


def test_a_site_called_like_a_statistic_is_none():
    def energetic():
        pyro.sample("energy", dist.Normal(0.0, 1.0))

    statistics = datasets(to_arviz(run(energetic, num_samples=5)))["sample_stats"]
    assert set(statistics.data_vars) == {"diverging"}


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
