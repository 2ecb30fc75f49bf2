"""`jax_enable_x64` switched within a process: what is run anew works, what goes on says why not."""

import numpy as np
import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
numpyro = importorskip("numpyro")

import jax.numpy as jnp
import numpyro.distributions as dist
from jax import random
from numpyro.infer import MCMC

import fhl_ppl
from fhl_ppl.numpyro import FHL, precision
from fhl_ppl.numpyro.precision import unknown_to_jax
from tests.numpyro.models import CHEAP

SINGLE, DOUBLE = False, True


@pytest.fixture(autouse=True)
def _as_before():
    before = jax.config.jax_enable_x64
    yield
    switch(before)
    # What JAX knows of arrays of the other precision is of no use to other tests.
    jax.clear_caches()


def switch(is_double):
    numpyro.enable_x64(is_double)


def model(y):
    mean = numpyro.sample("mean", dist.Normal(0.0, 10.0))
    numpyro.sample("y", dist.Normal(mean, 1.0), obs=y)


def make(kernel=None, num_chains=4, num_samples=20):
    return MCMC(
        kernel or FHL(model, **CHEAP),
        num_warmup=5,
        num_samples=num_samples,
        num_chains=num_chains,
        chain_method="vectorized",
        progress_bar=False,
    )


def drawn(mcmc, *args, **settings):
    mcmc.run(random.key(0), *args, **settings)
    (values,) = jax.tree.leaves(mcmc.get_samples())
    assert len(np.unique(values)) > 1
    return values.dtype


AGAIN = {
    "the same mcmc": lambda mcmc: mcmc,
    "the same kernel": lambda mcmc: make(mcmc.sampler),
    "the same model": lambda mcmc: make(),
}


@pytest.mark.parametrize("again", AGAIN.values(), ids=AGAIN.keys())
@pytest.mark.parametrize("first", [SINGLE, DOUBLE])
def test_a_new_run_has_the_new_precision(first, again):
    data = np.array([1.0, 2.0, 3.0])
    switch(first)
    mcmc = make()
    drawn(mcmc, data)
    switch(not first)
    assert drawn(again(mcmc), data) == (jnp.float64 if first == SINGLE else jnp.float32)


def test_without_new_views_jax_remembers_the_array(monkeypatch):
    """Breaks the code on purpose; what is said then is what is said of arrays in the model."""
    for module in ("kernel", "block"):
        monkeypatch.setattr(f"fhl_ppl.numpyro.{module}.unknown_to_jax", lambda arguments: arguments)
    data = np.array([1.0, 2.0, 3.0])
    switch(SINGLE)
    drawn(make(), data)
    switch(DOUBLE)
    with pytest.raises(ValueError, match=r"x64 is True now.* Call jax.clear_caches\(\)"):
        drawn(make(), data)
    jax.clear_caches()
    assert drawn(make(), data) == jnp.float64


def test_what_was_run_can_be_read_in_the_other_precision():
    data = np.array([1.0, 2.0, 3.0])
    switch(SINGLE)
    mcmc = make(num_samples=100)
    drawn(mcmc, data)
    switch(DOUBLE)
    assert len(fhl_ppl.summary(mcmc, show=False)) == 1
    fhl_ppl.to_arviz(mcmc, log_likelihood=True, posterior_predictive=True)
    assert np.isfinite(fhl_ppl.log_evidence(mcmc, num_proposals=100).value)


def warmed_up(num_chains, data):
    mcmc = make(num_chains=num_chains)
    mcmc.warmup(random.key(0), data)
    return mcmc


def with_state_of(mcmc):
    other = make(num_chains=mcmc.num_chains)
    other.post_warmup_state = mcmc.last_state
    return other


@pytest.mark.parametrize(
    ("first", "num_chains", "going_on"),
    [
        (SINGLE, 4, lambda mcmc: mcmc),
        (DOUBLE, 4, with_state_of),
        (SINGLE, 1, with_state_of),
        (DOUBLE, 1, lambda mcmc: mcmc),
    ],
)
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype")
def test_a_state_does_not_go_on_in_the_other(first, num_chains, going_on):
    data = np.array([1.0, 2.0, 3.0])
    switch(first)
    mcmc = warmed_up(num_chains, data)
    switch(not first)
    said = rf"x64 is {not first} now, .* with {first}\. Set it back, jax\.config\.update"
    with pytest.raises(ValueError, match=said):
        drawn(going_on(mcmc), data)
    if num_chains == 4:
        # As it says.
        mcmc.post_warmup_state = None
        drawn(mcmc, data)


def test_a_state_of_another_model_does_not_go_on():
    def two(y):
        numpyro.sample("mean", dist.Normal(jnp.zeros(2), 10.0).to_event(1))

    mcmc = warmed_up(4, jnp.ones(3))
    other = make(FHL(two, **CHEAP))
    other.post_warmup_state = mcmc.last_state
    with pytest.raises(ValueError, match=r"has 1 parameters of float32, .* 2 of float32"):
        drawn(other, jnp.ones(3))


@pytest.mark.parametrize("num_chains", [1, 4])
def test_starts_of_a_model_become_as_its_sites(num_chains):
    start = {"mean": np.zeros(4 if num_chains == 4 else (), np.float32)}
    switch(DOUBLE)
    assert drawn(make(num_chains=num_chains), jnp.ones(3), init_params=start) == jnp.float64


def narrow(z):
    return 0.5 * jnp.sum(z**2).astype(jnp.bfloat16)


def wide(z):
    return 0.5 * jnp.sum((z - jnp.array([1.0, 2.0])) ** 2)


@pytest.mark.parametrize(
    "kernel",
    [
        FHL(potential_fn=wide, **CHEAP),
        FHL(potential_fn=wide, forward_mode_differentiation=True, **CHEAP),
        FHL(potential_fn=wide, gradient_fn=lambda z: z - jnp.array([1.0, 2.0]), **CHEAP),
        FHL(potential_fn=narrow, **CHEAP),
    ],
    ids=["wide", "forward", "gradient_fn", "narrow"],
)
def test_energies_of_another_type_than_the_parameters(kernel):
    switch(DOUBLE)
    assert drawn(make(kernel), init_params=jnp.ones((4, 2), jnp.float32)) == jnp.float32


def test_only_arrays_are_renewed():
    array, log = np.arange(3.0), []
    arguments = ({"b": array, "a": log}, [array, (1, "x")], None)
    renewed = unknown_to_jax(arguments)
    assert list(renewed[0]) == ["b", "a"]
    assert renewed[0]["a"] is log
    assert renewed[1][1] is arguments[1][1]
    assert renewed[1][0] is not array
    assert np.shares_memory(renewed[1][0], array)
    assert unknown_to_jax(log) is log


def test_other_errors_pass():
    with pytest.raises(ValueError, match="something else"), precision.explained():
        raise ValueError("something else")
