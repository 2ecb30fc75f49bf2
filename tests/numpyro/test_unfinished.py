"""What reads a run is handed one without draws, or of another kernel."""

import numpy as np
import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
numpyro = importorskip("numpyro")
importorskip("arviz")
importorskip("zarr")

import jax.numpy as jnp
import numpyro.distributions as dist
from jax import random
from numpyro.infer import MCMC, NUTS

import fhl_ppl
from fhl_ppl.numpyro import FHL
from tests.numpyro.models import CHEAP
from tests.readers import assert_all_refuse, assert_read_as_of_another_kernel

KEY, DATA = random.key(0), jnp.array([1.0, 2.0, 3.0])


def model(y=None):
    mu = numpyro.sample("mu", dist.Normal(0.0, 10.0))
    numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def make(kernel=FHL, **settings):
    return MCMC(
        kernel(model, **settings),
        num_warmup=10,
        num_samples=10,
        num_chains=4,
        chain_method="vectorized",
        progress_bar=False,
    )


def streamed(tmp_path):
    mcmc = make(**CHEAP)
    fhl_ppl.stream(mcmc, KEY, DATA, progress=False)
    return mcmc


def stored(tmp_path):
    mcmc = make(**CHEAP)
    fhl_ppl.run(mcmc, KEY, DATA, store=tmp_path / "run", keep_draws=False, progress=False)
    return mcmc


def warmed_up(tmp_path, **settings):
    mcmc = make(**settings or CHEAP)
    mcmc.warmup(KEY, DATA)
    return mcmc


UNFINISHED = {
    "before": (lambda tmp_path: make(), "mcmc holds no draws; call mcmc.run"),
    "before, of NUTS": (lambda tmp_path: make(NUTS), "mcmc holds no draws; call mcmc.run"),
    "streamed": (streamed, "fhl_ppl.stream keeps none"),
    "stored": (stored, "in its store (fhl_ppl.open_store)"),
    "warmed up": (warmed_up, "warmed up and has not run since; call mcmc.run(mcmc.post_warmup"),
    "warmed up, of NUTS": (lambda tmp_path: warmed_up(tmp_path, kernel=NUTS), "warmed up"),
}


@pytest.mark.parametrize(("unfinished", "said"), UNFINISHED.values(), ids=UNFINISHED.keys())
def test_a_run_without_draws_says_why(unfinished, said, tmp_path):
    assert_all_refuse(unfinished(tmp_path), said)


def test_a_warm_up_that_was_collected_is_read():
    mcmc = make(**CHEAP)
    mcmc.warmup(KEY, DATA, collect_warmup=True)
    assert fhl_ppl.to_arviz(mcmc).posterior.sizes["draw"] == 10
    mcmc.run(mcmc.post_warmup_state.rng_key, DATA)
    fhl_ppl.summary(mcmc, show=False)


@pytest.mark.filterwarnings("ignore")
def test_without_the_check_zeros_are_summarised(monkeypatch):
    """Breaks the code on purpose."""
    monkeypatch.setattr("fhl_ppl.numpyro.extract.finished", lambda mcmc: mcmc)
    table = fhl_ppl.summary(warmed_up(None), show=False)
    assert np.all(table["mean"] == 0)


@pytest.mark.filterwarnings("ignore")
def test_a_run_of_nuts():
    mcmc = make(NUTS)
    mcmc.run(KEY, DATA)
    assert_read_as_of_another_kernel(mcmc)
