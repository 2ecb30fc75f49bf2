"""`fhl_ppl.run` on NumPyro's `MCMC`: the draws of its own `run`, and one compiled loop."""

import logging
from contextlib import contextmanager

import numpy as np
import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
numpyro = importorskip("numpyro")

import jax.numpy as jnp
import numpyro.distributions as dist
from jax import random
from numpyro.infer import MCMC, NUTS

import fhl_ppl
from fhl_ppl import Until
from fhl_ppl.core.metrics import reported
from fhl_ppl.numpyro import FHL
from fhl_ppl.numpyro.blocks import NumpyroSampling
from fhl_ppl.runs import kept
from fhl_ppl.runs.former import Former
from fhl_ppl.runs.store import Store

CHEAP = {"jumps": False, "integrator": "leapfrog", "pulling_strength": 0.0}
DATA = {"y": jnp.array([1.0, 2.0, 3.0, 2.0])}


def model(data):
    mean = numpyro.sample("mean", dist.Normal(0.0, 10.0).expand([2]))
    numpyro.deterministic("sum", mean.sum())
    numpyro.sample("y", dist.Normal(mean.sum(), 1.0), obs=data["y"])


def make(num_chains=8, num_samples=120, **settings):
    settings = {"chain_method": "vectorized", "num_warmup": 40} | settings
    return MCMC(
        FHL(model, **CHEAP),
        num_samples=num_samples,
        num_chains=num_chains,
        progress_bar=False,
        **settings,
    )


def fields(mcmc):
    return {**mcmc.get_samples(group_by_chain=True), **mcmc.get_extra_fields(group_by_chain=True)}


def assert_same(left, right):
    left, right = fields(left), fields(right)
    assert list(left) == list(right)
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for name, one, other in zip(left, left.values(), right.values(), strict=True):
        for leaf, its in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
            assert (type(leaf), leaf.dtype) == (type(its), its.dtype)
            np.testing.assert_array_equal(leaf, its, err_msg=name)


@contextmanager
def compilations():
    """Collect the names of all that JAX compiles."""
    names = []

    class Names(logging.Handler):
        def emit(self, record):
            if record.getMessage().startswith("Compiling"):
                names.append(record.getMessage()[:60])

    logger, handler = logging.getLogger("jax._src.interpreters.pxla"), Names()
    before = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    with jax.log_compiles():
        try:
            yield names
        finally:
            logger.removeHandler(handler)
            logger.propagate = before


KEY = random.key(0)
FIELDS = {"extra_fields": ("mean_accept_prob",)}


@pytest.fixture(scope="module")
def plain():
    mcmc = make()
    mcmc.run(KEY, DATA, **FIELDS)
    return mcmc


def test_draws_of_an_undisturbed_run_and_nothing_compiled_after_the_first_block(plain, tmp_path):
    """The model takes a dict, by which NumPyro does not find again what it has compiled."""
    importorskip("arviz")
    importorskip("zarr")
    mcmc, counts = make(), []
    with compilations() as names:
        status = fhl_ppl.run(
            mcmc,
            *(KEY, DATA),
            until=Until(ess=1e9, draws=120, sites=["sum"]),
            callback=lambda status: counts.append(len(names)),
            store=tmp_path,
            **FIELDS,
        )
    assert (status.draws, status.stopped, len(counts)) == (120, "draws", 3)
    assert counts[0] > 0
    assert counts[1:] == counts[:1] * 2, names[counts[0] :]
    assert sum("loop" in name for name in names) == 1
    assert_same(plain, mcmc)
    assert int(plain.last_state.i[0]) == int(mcmc.last_state.i[0])
    keys = (random.key_data(each.last_state.rng_key) for each in (plain, mcmc))
    np.testing.assert_array_equal(*keys)
    assert mcmc.post_warmup_state is None
    assert status.quality.ess > 0
    assert status.gradients > fields(mcmc)["n_steps"].sum()
    data = fhl_ppl.to_arviz(mcmc, log_likelihood=True)
    assert data["posterior"].sizes["draw"] == data["log_likelihood"].sizes["draw"] == 120

    again = make()
    assert fhl_ppl.run(again, KEY, DATA, store=tmp_path, **FIELDS).draws == 120
    assert_same(plain, again)
    stored, straight = fhl_ppl.open_store(tmp_path), fhl_ppl.to_arviz(plain)
    for group in ("posterior", "sample_stats"):
        for name, value in straight[group].variables.items():
            np.testing.assert_array_equal(stored[group][name], value)


@pytest.mark.slow
def test_a_run_goes_on_from_its_store(plain, tmp_path):
    importorskip("arviz")
    importorskip("zarr")
    store = {"store": tmp_path, **FIELDS}
    stopped, again = make(), make()
    status = fhl_ppl.run(stopped, KEY, DATA, callback=lambda status: status.draws >= 80, **store)
    assert (status.draws, status.stopped) == (80, "callback")
    # Another key has no say: the store has the one to go on with.
    fhl_ppl.run(again, random.key(1), DATA, **store)
    assert_same(plain, again)

    warm = NumpyroSampling(make(), (KEY, DATA), {}, Former.of(Store(tmp_path)))
    np.testing.assert_array_equal(warm.state.z["mean"], fields(plain)["mean"][:, -1])
    ours, theirs = (reported(x.learnt["metric"]) for x in (warm.state, plain.last_state))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)

    with pytest.raises(ValueError, match=r"data was '.*' and is"):
        fhl_ppl.run(make(), KEY, {"y": DATA["y"] + 1}, **store)
    with pytest.raises(ValueError, match=r"chain_method was 'vectorized' and is 'sequential'"):
        fhl_ppl.run(make(chain_method="sequential"), KEY, DATA, **store)

    def other(data):
        mean = numpyro.sample("mean", dist.Normal(1.0, 3.0).expand([2]))
        numpyro.deterministic("sum", mean.sum())
        numpyro.sample("y", dist.Normal(mean.sum(), 1.0), obs=data["y"])

    mcmc = make()
    mcmc.sampler = FHL(other, **CHEAP)
    with pytest.raises(ValueError, match=r"is of another model: the potential energy of chain 0"):
        fhl_ppl.run(mcmc, KEY, DATA, **store)


def test_a_single_chain_has_a_store(tmp_path):
    importorskip("arviz")
    importorskip("zarr")
    short = {"num_chains": 1, "num_samples": 50, "num_warmup": 25}
    for draws in (25, 50):
        mcmc = make(**short)
        fhl_ppl.run(mcmc, KEY, DATA, block=25, store=tmp_path, until=Until(draws=draws))
    assert mcmc.get_samples()["mean"].shape == (50, 2)
    stored = fhl_ppl.open_store(tmp_path)["posterior"]
    np.testing.assert_array_equal(stored["sum"], mcmc.get_samples(group_by_chain=True)["sum"])


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"num_chains": 1, "num_samples": 80}, marks=pytest.mark.slow),
        pytest.param({"num_chains": 2, "chain_method": "sequential"}, marks=pytest.mark.slow),
        pytest.param({"num_chains": 2, "chain_method": "parallel"}, marks=pytest.mark.slow),
        pytest.param({"thinning": 3, "num_warmup": 60}, marks=pytest.mark.slow),
        pytest.param({"jit_model_args": True}, marks=pytest.mark.slow),
    ],
)
def test_other_ways_of_running_chains(settings):
    alone, in_blocks = make(**settings), make(**settings)
    alone.run(KEY, DATA)
    fhl_ppl.run(in_blocks, KEY, DATA)
    assert_same(alone, in_blocks)


@pytest.mark.slow
def test_a_callable_for_the_chains():
    """There the loops are batched in two ways, which round differently.

    A proposal may be refused by one alone; some iterations later all is as before, as both draw
    from one Gaussian.
    """
    settings = {"num_chains": 4, "chain_method": jax.vmap}
    alone, in_blocks = make(**settings), make(**settings)
    alone.run(KEY, DATA)
    fhl_ppl.run(in_blocks, KEY, DATA)
    differences = np.abs(fields(alone)["mean"] - fields(in_blocks)["mean"])
    assert np.mean(differences > 0.01) < 0.05


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    ("method", "num_chains", "num_warmup"),
    [
        ("vectorized", 8, 400),
        pytest.param("sequential", 2, 1000, marks=pytest.mark.slow),
    ],
)
def test_a_warm_up_that_ends_early_goes_on(method, num_chains, num_warmup, tmp_path, monkeypatch):
    """From its store, and alike if it was killed before or after that was decided."""
    importorskip("arviz")
    importorskip("zarr")
    monkeypatch.setattr(kept, "PATIENCE", 0)

    def begin():
        settings = {"chain_method": method, "num_chains": num_chains, "num_warmup": num_warmup}
        return MCMC(FHL(model), num_samples=100, progress_bar=False, **settings)

    undisturbed, again, early = (
        begin(),
        begin(),
        {"early_warmup": True, "store": tmp_path / "killed"},
    )
    # Into a store as well: where there is one no companions are kept.
    status = fhl_ppl.run(undisturbed, KEY, DATA, early_warmup=True, store=tmp_path / "whole")
    assert status.warmup < num_warmup

    def killed(sampling, block, real=NumpyroSampling.hasten):
        if sampling.warmup_done == status.warmup - 50:
            raise Killed
        real(sampling, block)

    with monkeypatch.context() as patch:
        patch.setattr(NumpyroSampling, "hasten", killed)
        with pytest.raises(Killed):
            fhl_ppl.run(begin(), KEY, DATA, **early)
    assert fhl_ppl.run(again, KEY, DATA, **early).warmup == status.warmup
    assert_same(undisturbed, again)
    assert (
        fhl_ppl.open_store(tmp_path / "killed")["posterior"].attrs["warmup_done"] == status.warmup
    )
    with pytest.raises(ValueError, match="early_warmup was True and is False"):
        fhl_ppl.run(begin(), KEY, DATA, store=tmp_path / "killed")


def test_bad_arguments():
    with pytest.raises(TypeError, match=r"needs a key"):
        fhl_ppl.run(make())
    with pytest.raises(TypeError, match=r"rng_key must be a key of jax.random"):
        fhl_ppl.run(make(), 0, DATA)
    with pytest.raises(TypeError, match=r"made with a fhl_ppl.numpyro.FHL to run in blocks"):
        fhl_ppl.run(MCMC(NUTS(model), num_warmup=5, num_samples=5), random.key(0), DATA)


def test_a_run_that_keeps_no_draws_says_the_same_of_them(plain):
    mcmc = make()
    with compilations() as names:
        found = fhl_ppl.stream(mcmc, KEY, DATA, block=30, until=Until(r_hat=1.0001, draws=120))
    assert sum("_folded" in name for name in names) == 1
    kept = plain.get_samples(group_by_chain=True)
    for name in ("mean", "sum"):
        draws = np.asarray(kept[name], float)
        np.testing.assert_allclose(found.mean[name], draws.mean(axis=(0, 1)), rtol=1e-4)
        np.testing.assert_allclose(found.sd[name], draws.std(axis=(0, 1), ddof=1), rtol=1e-4)
        np.testing.assert_allclose(found.last[name], draws[:, -1], rtol=1e-5)
    assert (found.status.draws, found.status.stopped) == (120, "draws")
    assert found.status.gradients > np.asarray(kept["sum"]).size
    assert int(mcmc.last_state.i[0]) == 160


@pytest.mark.parametrize(
    "settings", [{"thinning": 2}, {"chain_method": "sequential"}, {"num_chains": 1}]
)
def test_what_keeps_no_draws_wants_vectorized_chains(settings):
    with pytest.raises(ValueError, match='needs several chains, chain_method="vectorized"'):
        fhl_ppl.stream(make(**settings), KEY, DATA)
