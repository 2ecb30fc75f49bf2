"""Pyro runs in ArviZ, of which 1.x has no converter and 0.x one that knows divergences only."""

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import MCMC, NUTS, config_enumerate

from fhl_ppl import to_arviz
from fhl_ppl.diagnostics.arviz_lines import datasets
from tests.conftest import importorskip
from tests.pyro.schools import Y, model

importorskip("arviz")


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


def test_a_site_called_like_a_statistic_is_none():
    def energetic():
        pyro.sample("energy", dist.Normal(0.0, 1.0))

    statistics = datasets(to_arviz(run(energetic, num_samples=5)))["sample_stats"]
    assert set(statistics.data_vars) == {"diverging"}
