"""The chart of a NumPyro run is drawn, or it is said why there is none."""

import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
numpyro = importorskip("numpyro")
importorskip("arviz")
importorskip("matplotlib").use("Agg")

import jax.numpy as jnp
import numpyro.distributions as dist
from jax import random
from numpyro.infer import MCMC

from fhl_ppl import plots
from fhl_ppl.numpyro import FHL
from tests.chart_picture import check_picture


def funnel():
    log_scale = numpyro.sample("log_scale", dist.Normal(0.0, 2.0))
    with numpyro.plate("children", 4):
        numpyro.sample("x", dist.Normal(0.0, jnp.exp(log_scale)))


def drawn(warmup, chain_method):
    mcmc = MCMC(
        FHL(funnel),
        num_warmup=warmup,
        num_samples=150,
        num_chains=8,
        chain_method=chain_method,
        progress_bar=False,
    )
    mcmc.run(random.key(0))
    return mcmc


def test_a_funnel_is_straight_in_the_chart(monkeypatch):
    check_picture(drawn(300, "vectorized"), monkeypatch)


def test_chains_with_a_chart_each_have_no_picture():
    with pytest.raises(ValueError, match=r"a chart of its own.*chain_method=\"vectorized\""):
        plots.chart(drawn(10, "sequential"))
