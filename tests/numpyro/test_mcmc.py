"""`FHL` inside NumPyro's `MCMC`: chain methods, resuming, keys, pickling, fields."""

import pickle
import warnings

import numpy as np
import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
importorskip("numpyro")

import jax.numpy as jnp
from jax import lax, random
from numpyro.infer import MCMC

from fhl_ppl.core import warmup
from fhl_ppl.core.metrics.low_rank import LowRankMetric
from fhl_ppl.core.metrics.low_rank_fit import RANK
from fhl_ppl.core.statistics import MEANINGS
from fhl_ppl.numpyro import FHL
from fhl_ppl.options import DENSE_LIMIT
from tests.numpyro.models import CHEAP, EFFECT, eight_schools

FIELDS = set(MEANINGS)
"""Arrays [chain, draw]; what is kept of private companions comes on top."""


def make(num_warmup=60, num_samples=40, kernel=None, **settings):
    settings = {"num_chains": 4, "chain_method": "vectorized", "progress_bar": False} | settings
    kernel = FHL(eight_schools, **CHEAP) if kernel is None else kernel
    return MCMC(kernel, num_warmup=num_warmup, num_samples=num_samples, **settings)


def draws(mcmc, key=None, **settings):
    mcmc.run(random.PRNGKey(0) if key is None else key, EFFECT, **settings)
    return {name: np.asarray(x) for name, x in mcmc.get_samples(group_by_chain=True).items()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.mark.parametrize("method", ["vectorized", "sequential", "parallel", jax.vmap])
def test_every_chain_method_collects_all_fields_by_chain(method):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Some donated buffers")
        mcmc = make(kernel=FHL(eight_schools), num_chains=2, chain_method=method)
        samples = draws(mcmc)
    assert samples["theta"].shape == (2, 40, 8)
    fields = mcmc.get_extra_fields(group_by_chain=True)
    # Of each particle that is no chain; vectorized chains have none.
    assert (method == "vectorized") == (fields.pop("companions", None) is None)
    assert fields.keys() == FIELDS
    assert {np.shape(field) for field in fields.values()} == {(2, 40)}
    assert np.all(fields["n_steps"] >= 1)
    # The chains differ, so that each has its own random numbers.
    assert np.abs(samples["mu"][0] - samples["mu"][1]).min() > 0


def test_vectorized_chains_are_grouped_in_order():
    mcmc = make(num_chains=10)
    draws(mcmc)
    group = mcmc.get_extra_fields(group_by_chain=True)["group"][:, 0]
    np.testing.assert_array_equal(group, [0, 0, 0, 0, 1, 1, 1, 2, 2, 2])


def test_one_leader_a_group():
    mcmc = make(num_chains=8)
    draws(mcmc)
    leads = np.asarray(mcmc.get_extra_fields(group_by_chain=True)["is_leader"])
    np.testing.assert_array_equal(leads.reshape(2, 4, -1).sum(axis=1), 1)


def test_sequential_chains_are_single_runs_with_the_split_keys():
    together = draws(make(num_chains=2, chain_method="sequential"))
    for chain, key in enumerate(random.split(random.PRNGKey(0), 2)):
        alone = draws(make(num_chains=1), key)
        assert_same(
            {name: x[chain] for name, x in together.items()}, {n: x[0] for n, x in alone.items()}
        )


@pytest.mark.parametrize("new_key", [random.PRNGKey, random.key], ids=["legacy", "typed"])
def test_same_seed_same_draws(new_key):
    mcmc = make()
    first, again = draws(mcmc, new_key(3)), draws(mcmc, new_key(3))
    assert_same(first, again)
    other = draws(mcmc, new_key(4))
    assert np.abs(first["mu"] - other["mu"]).max() > 0


@pytest.mark.parametrize("num_chains", [1, 4])
def test_resumed_run_equals_one_run(num_chains):
    whole = draws(make(kernel=FHL(eight_schools), num_samples=80, num_chains=num_chains))
    mcmc = make(kernel=FHL(eight_schools), num_chains=num_chains)
    parts = [draws(mcmc)]
    mcmc.post_warmup_state = mcmc.last_state
    parts.append(draws(mcmc, mcmc.post_warmup_state.rng_key))
    assert_same(whole, {name: np.concatenate([p[name] for p in parts], axis=1) for name in whole})


def test_warmup_apart_equals_warmup_within():
    whole = draws(make())
    mcmc = make()
    mcmc.warmup(random.PRNGKey(0), EFFECT, collect_warmup=True)
    assert mcmc.get_extra_fields(group_by_chain=True)["n_steps"].shape == (4, 60)
    assert_same(whole, draws(mcmc, mcmc.post_warmup_state.rng_key))


def test_nothing_adapts_after_warmup():
    mcmc = make(kernel=FHL(eight_schools))
    mcmc.warmup(random.PRNGKey(0), EFFECT)
    before = mcmc.post_warmup_state.learnt
    draws(mcmc, mcmc.post_warmup_state.rng_key)
    for old, new in zip(
        jax.tree.leaves(before), jax.tree.leaves(mcmc.last_state.learnt), strict=True
    ):
        np.testing.assert_array_equal(old, new)


def test_unpickled_run_goes_on_where_it_stood():
    mcmc = make()
    draws(mcmc)
    copy = pickle.loads(pickle.dumps(mcmc))
    results = []
    for each in (mcmc, copy):
        each.post_warmup_state = each.last_state
        results.append(draws(each, random.PRNGKey(9)))
    assert_same(*results)


def test_thinning_keeps_every_other_draw():
    thinned = draws(make(thinning=2))
    assert_same(thinned, {name: x[:, 1::2] for name, x in draws(make()).items()})


def test_extra_fields_under_the_names_of_nuts():
    mcmc = make()
    draws(mcmc, extra_fields=("num_steps", "adapt_state.step_size", "i", "mean_accept_prob"))
    fields = mcmc.get_extra_fields(group_by_chain=True)
    np.testing.assert_array_equal(fields["num_steps"], fields["n_steps"])
    np.testing.assert_array_equal(fields["adapt_state.step_size"], fields["step_size"])
    np.testing.assert_array_equal(fields["i"][0], np.arange(61, 101))
    running = np.cumsum(fields["accept_prob"], axis=1) / np.arange(1, 41)
    np.testing.assert_allclose(fields["mean_accept_prob"], running, rtol=1e-4)
    (matrix,) = mcmc.last_state.adapt_state.inverse_mass_matrix.values()
    assert matrix.shape == (4, 10, 10)


def test_progress_bar_shows_the_diagnostics(capsys, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    draws(make(num_warmup=20, num_samples=20, num_chains=1, progress_bar=True))
    assert "acc. prob=" in capsys.readouterr().err


def test_init_params_are_where_the_chains_start():
    start = {"mu": jnp.arange(4.0), "tau": jnp.zeros(4), "offset": jnp.zeros((4, 8))}
    kernel = FHL(eight_schools)
    state = kernel.init(
        random.split(random.PRNGKey(0), 4), 10, init_params=start, model_args=(EFFECT,)
    )
    assert_same(state.z, start)
    alone = jax.tree.map(lambda x: x[1], start)
    state = kernel.init(random.PRNGKey(0), 10, init_params=alone, model_args=(EFFECT,))
    np.testing.assert_array_equal(state.particles.position[:, 0], np.ones(4))


def test_potential_on_any_pytree():
    def potential_fn(z):
        return 0.5 * jnp.sum(z[0] ** 2) + 0.5 * jnp.sum((z[1]["b"] - 3) ** 2)

    mcmc = make(num_warmup=200, num_samples=500, kernel=FHL(potential_fn=potential_fn))
    mcmc.run(random.PRNGKey(0), init_params=(jnp.ones((4, 2)), {"b": jnp.ones((4, 1, 3))}))
    samples = mcmc.get_samples(group_by_chain=True)
    assert samples[1]["b"].shape == (4, 500, 1, 3)
    # 2000 draws: five standard errors are .11 even if they were worth a quarter as much.
    np.testing.assert_allclose(np.mean(samples[1]["b"], (0, 1, 2)), 3.0, atol=0.22)


def test_float64_and_float32_follow_the_parameters():
    def run():
        kernel = FHL(potential_fn=lambda z: 0.5 * jnp.sum(z**2))
        mcmc = make(num_samples=20, kernel=kernel)
        mcmc.run(random.PRNGKey(0), init_params=jnp.ones((4, 2)))
        return mcmc

    assert run().get_samples().dtype == np.float32
    with jax.enable_x64(True):
        mcmc = run()
        assert mcmc.get_samples().dtype == np.float64
        assert mcmc.get_extra_fields()["step_size"].dtype == np.float64


def test_one_trace_for_a_second_run():
    traces = []

    def potential_fn(z):
        traces.append(1)
        return 0.5 * jnp.sum(z**2)

    mcmc = make(kernel=FHL(potential_fn=potential_fn))
    mcmc.run(random.PRNGKey(0), init_params=jnp.ones((4, 2)))
    mcmc.post_warmup_state = mcmc.last_state
    mcmc.run(random.PRNGKey(1))
    seen = len(traces)
    mcmc.post_warmup_state = mcmc.last_state
    mcmc.run(random.PRNGKey(2))
    assert len(traces) == seen


@pytest.mark.parametrize("dense_mass", [True, False, [("mu", "tau")], None])
def test_shape_of_the_metric(dense_mass):
    mcmc = make(num_warmup=80, kernel=FHL(eight_schools, dense_mass=dense_mass))
    draws(mcmc)
    parts = mcmc.last_state.adapt_state.inverse_mass_matrix
    whole = np.asarray(mcmc.last_state.learnt["metric"].inverse_mass_matrix)
    if dense_mass is False:
        assert whole.shape == (10,)
    elif dense_mass in (True, None):
        assert np.all(whole != 0)
    else:
        # The flat order is mu, offset, tau.
        structure = np.eye(10, dtype=bool)
        structure[0, 9] = structure[9, 0] = True
        np.testing.assert_array_equal(whole != 0, structure)
        np.testing.assert_array_equal(parts["mu", "tau"][0], whole[[0, 9]][:, [0, 9]])
        np.testing.assert_array_equal(parts[("offset",)][0], np.diag(whole)[1:9])


def test_above_the_limit_the_metric_is_of_low_rank():
    # One wide direction across all coordinates, of which no scale knows.
    dim, variance = DENSE_LIMIT + 10, 400.0
    along = jnp.ones(dim) / dim**0.5

    def potential_fn(z):
        return (z @ z - (1 - 1 / variance) * (z @ along) ** 2) / 2

    given = np.full(dim, 2.0)
    mcmc = make(150, 100, FHL(potential_fn=potential_fn, inverse_mass_matrix=given))
    mcmc.run(random.PRNGKey(0), init_params=random.normal(random.PRNGKey(1), (4, dim)))
    metric = mcmc.last_state.adapt_state.inverse_mass_matrix
    assert isinstance(metric, LowRankMetric)
    metric = jax.tree.map(lambda leaf: leaf[0], metric)
    assert metric.directions.shape == (dim, RANK)
    widest = int(np.argmax(metric.variance))
    assert metric.variance[widest] > variance / 4
    assert abs(metric.directions[:, widest] @ along) > 0.9
    # A metric that did not know it would need twenty times the steps of one that does.
    assert mcmc.get_extra_fields()["n_steps"].mean() < 20


@pytest.mark.parametrize("gradient_fn", [None, lambda z: jax.tree.map(jnp.zeros_like, z)])
def test_a_metric_of_low_rank_can_be_asked_for(gradient_fn):
    kernel = FHL(eight_schools, dense_mass="low_rank", gradient_fn=gradient_fn)
    mcmc = make(kernel=kernel)
    assert all(np.isfinite(values).all() for values in draws(mcmc).values())
    (metric,) = mcmc.last_state.adapt_state.inverse_mass_matrix.values()
    assert metric.directions.shape == (4, 10, 10)
    assert (metric.scale != 1).all()


def test_group_size_one_with_one_step_is_lmc():
    mcmc = make(kernel=FHL(eight_schools, group_size=1, num_steps=1))
    draws(mcmc)
    fields = mcmc.get_extra_fields()
    np.testing.assert_array_equal(fields["n_steps"], 1)
    assert np.all(fields["is_leader"])


def test_chains_side_by_side_end_their_windows_on_the_host_at_their_ends_alone(monkeypatch):
    ends, conclude = [], warmup.conclude

    def counted(*arguments):
        ends.append(int(arguments[3]) + 1)
        return conclude(*arguments)

    monkeypatch.setattr(warmup, "conclude", counted)
    kernel = FHL(eight_schools, **CHEAP)
    states = jax.vmap(lambda key: kernel.init(key, 60, None, (EFFECT,), {}))(
        random.split(random.PRNGKey(0), 3)
    )
    once = jax.vmap(lambda state: kernel.sample(state, (EFFECT,), {}))
    jax.block_until_ready(jax.jit(lambda s: lax.fori_loop(0, 80, lambda _, s: once(s), s))(states))
    windows = kernel._engine.sampler.window_ends
    assert sorted(ends) == sorted([*windows, 60] * 3)
