"""What `fhl_ppl.summary` says of runs: nothing of a good one, and never nothing of a bad one."""

import warnings

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from jax import random
from numpyro.infer import MCMC

from fhl_ppl import summary, to_arviz
from fhl_ppl.diagnostics.arviz_lines import datasets
from fhl_ppl.numpyro import FHL
from tests.conftest import importorskip
from tests.numpyro.models import EFFECT, STANDARD_ERROR, eight_schools

importorskip("arviz")


def logistic():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5))
    chance = 1 / (1 + np.exp(-x @ np.array([1.0, -1.0, 0.5, 0.0, 2.0])))
    y = rng.uniform(size=200) < chance

    def model():
        intercept = numpyro.sample("intercept", dist.Normal(0, 2))
        slope = numpyro.sample("slope", dist.Normal(0, 1).expand([5]).to_event(1))
        with numpyro.plate("data", 200):
            logits = intercept + jnp.array(x) @ slope
            numpyro.sample("y", dist.Bernoulli(logits=logits), obs=jnp.array(y, int))

    return model


def gaussian():
    root = np.random.default_rng(0).normal(size=(20, 20))
    covariance = jnp.array(root @ root.T / 20 + 0.1 * np.eye(20))
    return lambda: numpyro.sample("x", dist.MultivariateNormal(jnp.zeros(20), covariance))


HEALTHY = {
    "eight schools": lambda: eight_schools(EFFECT),
    "logistic regression": logistic(),
    "gaussian": gaussian(),
}


def said(kernel, num_chains=4, num_warmup=1000, num_samples=1000, seed=0):
    """The run, its table, and what `summary` warns of."""
    mcmc = MCMC(
        kernel,
        num_warmup=num_warmup,
        num_samples=num_samples,
        num_chains=num_chains,
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.run(random.key(seed))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = summary(mcmc, show=False)
    return mcmc, table, [str(w.message) for w in caught if w.category is UserWarning]


@pytest.mark.parametrize("name", HEALTHY)
def test_a_good_run_by_a_default_call_is_not_warned_of(name):
    """With some 2000 effective draws R-hat passes 1.01 in less than one run of 1000."""
    _, table, messages = said(FHL(HEALTHY[name]))
    assert messages == []
    (note,) = table.attrs["notes"]
    assert note.startswith("All chains belong to one group")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("num_chains", "length"), [(8, 1000), (64, 300)])
@pytest.mark.parametrize("name", HEALTHY)
def test_good_runs_are_not_warned_of(name, num_chains, length, seed):
    _, table, messages = said(FHL(HEALTHY[name]), num_chains, length, length, seed)
    assert messages == table.attrs["notes"] == []


def test_trajectories_that_need_more_steps_than_allowed():
    """Four scales with a metric of ones: T is that of the widest, the step of the narrowest."""
    scale = jnp.array([1.0, 3.0, 10.0, 100.0])
    kernel = FHL(
        lambda: numpyro.sample("x", dist.Normal(0, scale).to_event(1)),
        adapt_mass_matrix=False,
        max_num_steps=8,
    )
    mcmc, _, messages = said(kernel, num_chains=8, num_warmup=300, num_samples=200)
    (message,) = [text for text in messages if "max_num_steps" in text]
    assert message.startswith("max_num_steps=8 cut 100% of the trajectories short")
    assert datasets(to_arviz(mcmc))["sample_stats"].attrs["steps_cap"] == 8


def test_a_run_that_accepts_nothing():
    """All start at the same place, with steps that are far too long."""
    kernel = FHL(
        lambda: numpyro.sample("x", dist.Normal(jnp.zeros(3), 1e-3).to_event(1)),
        adapt_step_size=False,
        adapt_mass_matrix=False,
        num_steps=3,
        init_strategy=numpyro.infer.init_to_value(values={"x": jnp.zeros(3)}),
    )
    _, _, messages = said(kernel, num_chains=8, num_warmup=20, num_samples=100)
    assert any(text.startswith("Chains 0, 1, 2, 3, 4, 5, 6, 7 never moved") for text in messages)
    assert any("draws diverged" in text for text in messages)


def funnel():
    v = numpyro.sample("v", dist.Normal(0, 3))
    numpyro.sample("x", dist.Normal(0, jnp.exp(v / 2)).expand([9]).to_event(1))


def centred_eight_schools():
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", 8):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("obs", dist.Normal(theta, STANDARD_ERROR), obs=EFFECT)


@pytest.mark.slow
@pytest.mark.parametrize("num_chains", [4, 8])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("model", "site", "mean", "sd"),
    [(funnel, "v", 0.0, 3.0), (centred_eight_schools, "tau", 3.60, 3.20)],
)
def test_a_failure_is_never_silent(model, site, mean, sd, seed, num_chains):
    """Exact moments, and those of 10000 draws of the non-centred model from posteriordb."""
    _, table, messages = said(FHL(model), num_chains, seed=seed)
    found = table.loc[site]
    right = abs(found["mean"] - mean) < 0.1 * sd and abs(found["sd"] / sd - 1) < 0.15
    assert right or messages
