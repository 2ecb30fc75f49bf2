"""Chains that are not vectorized: what their companions cost is said, and their draws are kept."""

import logging
import pickle
import warnings

import numpy as np
import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
numpyro = importorskip("numpyro")
importorskip("arviz")

import jax.numpy as jnp
import numpyro.distributions as dist
from jax import random
from numpyro.infer import MCMC

from fhl_ppl import moves, summary, to_arviz
from fhl_ppl.diagnostics.arviz_lines import datasets
from fhl_ppl.numpyro import FHL
from fhl_ppl.numpyro.companions import say_what_they_cost, with_companions
from tests.numpyro.models import CHEAP

Y = jnp.array([0.5, 1.0, 2.5])


def model(y):
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    b = numpyro.sample("b", dist.HalfNormal(1.0).expand([2]).to_event(1))
    numpyro.deterministic("c", a + b)
    numpyro.sample("y", dist.Normal(a, b.sum()), obs=y)


def log_density(a, b):
    """On the scale of the sampler, where b = exp(u)."""
    priors = dist.Normal(0.0, 1.0).log_prob(a) + dist.HalfNormal(1.0).log_prob(b).sum(-1)
    likelihood = dist.Normal(a[..., None], b.sum(-1)[..., None]).log_prob(Y).sum(-1)
    return priors + likelihood + jnp.log(b).sum(-1)


def run(kernel, num_chains=1, chain_method="sequential", **fields):
    mcmc = MCMC(
        kernel,
        num_warmup=20,
        num_samples=30,
        num_chains=num_chains,
        chain_method=chain_method,
        progress_bar=False,
    )
    mcmc.run(random.key(0), Y, **fields)
    return mcmc


@pytest.fixture(scope="module")
def mcmc():
    return run(FHL(model, **CHEAP), num_chains=2)


@pytest.fixture(scope="module")
def data(mcmc):
    return datasets(to_arviz(mcmc, log_likelihood=True, posterior_predictive=True))


def test_every_particle_is_a_chain_of_its_group(mcmc, data):
    posterior = data["posterior"]
    np.testing.assert_array_equal(posterior["group"], np.repeat([0, 1], 4))
    reported = mcmc.get_samples(group_by_chain=True)
    for name in ("a", "b", "c"):
        np.testing.assert_allclose(posterior[name].values[::4], reported[name], rtol=1e-6)
    # They move, each on its own.
    assert (posterior["a"].std("draw") > 0).all()
    assert len(np.unique(posterior["a"].isel(draw=-1))) == 8
    assert (
        data["log_likelihood"]["y"].shape == data["posterior_predictive"]["y"].shape == (8, 30, 3)
    )


def agrees(posterior, statistics):
    wanted = log_density(jnp.array(posterior["a"]), jnp.array(posterior["b"]))
    return np.allclose(statistics["lp"], wanted, rtol=1e-4, atol=1e-4)


def test_draws_and_statistics_belong_together(data):
    assert agrees(data["posterior"], data["sample_stats"])
    c = data["posterior"]["a"].values[..., None] + data["posterior"]["b"].values
    np.testing.assert_allclose(data["posterior"]["c"], c, rtol=1e-5)


def test_the_check_notices_companions_in_another_order(mcmc):
    everyone = with_companions(mcmc)
    draws = everyone.get_samples(group_by_chain=True)
    lp = -everyone.get_extra_fields(group_by_chain=True)["potential_energy"]
    assert agrees(draws, {"lp": lp})
    assert not agrees(draws, {"lp": lp[[0, 2, 1, 3, 4, 5, 6, 7]]})


def test_all_gradients_are_counted(mcmc, data):
    reported = mcmc.get_extra_fields()["n_steps"].sum()
    assert int(data["sample_stats"]["n_steps"].sum()) == 4 * int(reported)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_summary_and_moves_take_all_particles(mcmc):
    table = summary(mcmc, var_names=["a"], show=False)
    everyone = np.asarray(datasets(to_arviz(mcmc))["posterior"]["a"])
    np.testing.assert_allclose(table["mean"]["a"], everyone.mean(), rtol=1e-5)
    assert {"ess_group", "r_hat_group"} <= set(table.columns)
    assert moves(mcmc)["share"]["trajectory"] == 1


def test_an_unpickled_run_has_them_too(mcmc, data):
    again = datasets(to_arviz(pickle.loads(pickle.dumps(mcmc))))
    for name in ("a", "b", "c"):
        np.testing.assert_allclose(again["posterior"][name], data["posterior"][name], rtol=1e-5)


def test_sites_left_out_are_left_out():
    mcmc = run(FHL(model, **CHEAP), extra_fields=("~z.b",))
    assert set(datasets(to_arviz(mcmc))["posterior"].data_vars) == {"a", "c"}


def test_vectorized_chains_and_hmc_have_no_companions():
    for kernel, settings in (
        (FHL(model, **CHEAP), {"num_chains": 4, "chain_method": "vectorized"}),
        (FHL(model, group_size=1, **CHEAP), {}),
    ):
        mcmc = run(kernel, **settings)
        assert jax.tree.leaves(mcmc.get_extra_fields().get("companions")) == []
        assert with_companions(mcmc) is mcmc
        assert datasets(to_arviz(mcmc))["posterior"].sizes["chain"] == mcmc.num_chains


def start(kernel, key):
    kernel.init(key, 5, model_args=(Y,))


def test_the_cost_is_said_once(caplog):
    say_what_they_cost.cache_clear()
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING, "fhl_ppl"):
        warnings.simplefilter("error")
        start(FHL(model, group_size=1), random.key(0))
        start(FHL(model), random.split(random.key(0), 4))
        assert not caplog.records
        for _ in range(2):
            start(FHL(model), random.key(0))
    (record,) = caplog.records
    assert 'num_chains=8, chain_method="vectorized"' in record.getMessage()
    assert "costs 4 gradients" in record.getMessage()
