"""Going on from a state: with the same data, with other data, with other chains."""

import numpy as np
import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
numpyro = importorskip("numpyro")

import jax.numpy as jnp
import numpyro.distributions as dist
from jax import random
from numpyro.infer import MCMC, NUTS

from fhl_ppl import to_arviz
from fhl_ppl.numpyro import FHL
from fhl_ppl.numpyro.fingerprint import fingerprint
from tests.numpyro.models import CHEAP


def model(y):
    mean = numpyro.sample("mean", dist.Normal(0.0, 100.0))
    numpyro.sample("y", dist.Normal(mean, 1.0), obs=y)


def make(num_chains=4, **settings):
    settings = {"chain_method": "vectorized", "progress_bar": False} | settings
    kernel = FHL(model, **CHEAP)
    return MCMC(kernel, num_warmup=60, num_samples=60, num_chains=num_chains, **settings)


def go_on(mcmc, key, data):
    mcmc.post_warmup_state = mcmc.last_state
    mcmc.run(key, data)
    return np.asarray(mcmc.get_samples(group_by_chain=True)["mean"])


@pytest.mark.parametrize("jit_model_args", [False, True])
def test_other_data_do_not_freeze_the_chains(jit_model_args):
    """The new energies are above the old ones by more than any proposal can make good."""
    rng = np.random.default_rng(0)
    # The same spread twice, and then some: the second energy can never be as low as the first.
    first, second = rng.normal(size=20), 3 + 5 * rng.normal(size=20)
    mcmc = make(jit_model_args=jit_model_args)
    mcmc.run(random.key(0), jnp.array(first))
    for data in (second, first, second):
        draws = go_on(mcmc, random.key(1), jnp.array(data))
        assert (np.diff(draws, axis=1) != 0).mean() > 0.5
        # 240 draws of sd .22, after some that lead there.
        np.testing.assert_allclose(draws[:, 20:].mean(), data.mean(), atol=0.2)


def test_without_the_fingerprint_they_do(monkeypatch):
    monkeypatch.setattr("fhl_ppl.numpyro.kernel.fingerprint", lambda *_: jnp.uint32(0))
    rng = np.random.default_rng(0)
    mcmc = make()
    mcmc.run(random.key(0), jnp.array(rng.normal(size=20)))
    draws = go_on(mcmc, random.key(1), jnp.array(3 + 5 * rng.normal(size=20)))
    assert (np.diff(draws, axis=1) == 0).all()


def test_equal_data_in_another_array_are_the_same_data():
    data = np.arange(5.0)
    results = []
    for copies in (1, 2):
        mcmc = make()
        arrays = [jnp.array(data) for _ in range(copies)]
        mcmc.run(random.key(0), arrays[0])
        results.append(go_on(mcmc, random.key(1), arrays[-1]))
    np.testing.assert_array_equal(*results)


ARGUMENTS = {
    "float": 1.5,
    "int": 3,
    "negative": -3,
    "bool": True,
    "array": np.arange(10.0),
    "integers": np.arange(-5, 5),
    "half": np.arange(3, dtype=np.float16),
    "complex": np.arange(3) * 1j,
    "long": np.arange(100_000.0),
    "empty": np.zeros(0),
    "dict": {"a": np.ones(2), "b": None},
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_fingerprint_is_the_same_under_jit(name):
    args = (ARGUMENTS[name],)
    traced = jax.jit(lambda args: fingerprint(args, {}))(args)
    assert int(traced) == int(fingerprint(args, {}))


def test_the_fingerprint_tells_things_apart():
    cases = [((value,), {}) for value in ARGUMENTS.values()]
    cases += [((), {}), (("text",), {}), (("texts",), {}), ((), {"y": 1.0}), ((-1.5,), {})]
    cases += [((np.arange(10.0)[::-1],), {}), ((np.arange(10.0).reshape(2, 5),), {})]
    marks = [int(fingerprint(*case)) for case in cases]
    assert len(set(marks)) == len(marks)


def test_another_number_of_chains_is_refused():
    mcmc, other = make(chain_method="sequential", num_chains=2), make(num_chains=1)
    data = jnp.arange(5.0)
    mcmc.run(random.key(0), data)
    other.post_warmup_state = mcmc.last_state
    with pytest.raises(ValueError, match="the state to resume from is of 2 chains"):
        other.run(random.key(0), data)


def test_as_many_keys_as_chains():
    """NumPyro runs as many chains as there are keys, one by one too; what is made of them says so.

    Of vectorized chains none is begun, see `test_refusals`.
    """
    importorskip("arviz")
    mcmc = make(num_chains=4, chain_method="sequential")
    mcmc.run(random.split(random.key(0), 3), jnp.arange(5.0))
    with pytest.raises(ValueError, match="draws are of 3 chains, mcmc was made for 4"):
        to_arviz(mcmc)


@pytest.mark.parametrize("key", [0, None, 1.5, jnp.zeros(2)])
@pytest.mark.parametrize("num_chains", [1, 4])
def test_a_seed_is_no_key(key, num_chains):
    with pytest.raises(TypeError, match=r"rng_key must be a key of jax.random"):
        make(num_chains).run(key, jnp.arange(5.0))


def test_the_bar_of_vectorized_chains_and_going_on_under_it(monkeypatch, capsys):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    results = []
    for progress_bar in (True, False):
        mcmc = make(progress_bar=progress_bar)
        mcmc.run(random.key(0), jnp.arange(5.0))
        parts = [np.asarray(mcmc.get_samples(True)["mean"])]
        for _ in range(2):
            parts.append(go_on(mcmc, mcmc.last_state.rng_key, jnp.arange(5.0)))
        results.append(np.concatenate(parts, axis=1))
    shown = capsys.readouterr().err
    for word in ("steps of size", "acc. prob=", "pull=", "diverging", "warmup", "sample"):
        assert word in shown
    # Loops in and out of compiled code round differently at most.
    np.testing.assert_allclose(results[0][:, :60], results[1][:, :60], rtol=1e-3, atol=1e-3)


WAYS = {
    "particles": ({"num_chains": 4}, {"num_chains": 4, "chain_method": "sequential"}),
    "no particles": ({"num_chains": 4, "chain_method": "sequential"}, {"num_chains": 4}),
}


@pytest.mark.parametrize(("before", "after"), WAYS.values(), ids=WAYS.keys())
def test_chains_go_on_as_what_they_were(before, after):
    first, then = make(**before), make(**after)
    first.warmup(random.key(0), jnp.ones(3))
    then.post_warmup_state = first.last_state
    with pytest.raises(ValueError, match=r"chain_method .*vectorized.* init_params=mcmc\.last_st"):
        then.run(random.key(0), jnp.ones(3))


@pytest.mark.parametrize("num_chains", [1, 4])
def test_a_state_of_nuts_is_refused_and_its_places_are_not(num_chains):
    settings = {"num_chains": num_chains, "chain_method": "vectorized", "progress_bar": False}
    nuts = MCMC(NUTS(model), num_warmup=5, num_samples=5, **settings)
    nuts.run(random.key(0), jnp.ones(3))
    mcmc = make(num_chains)
    mcmc.post_warmup_state = nuts.last_state
    with pytest.raises(TypeError, match=r"got HMCState; .* init_params=mcmc.last_state.z"):
        mcmc.run(random.key(0), jnp.ones(3))
    mcmc.post_warmup_state = None
    mcmc.run(random.key(0), jnp.ones(3), init_params=nuts.last_state.z)
