"""A search before warm-up, in NumPyro: the one of core, and what it costs."""

import numpy as np
import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
numpyro = importorskip("numpyro")

import jax.numpy as jnp
from jax import random
from numpyro import distributions as dist
from numpyro.infer import MCMC, init_to_median

from fhl_ppl.core.mixture import in_use
from fhl_ppl.core.search import search
from fhl_ppl.core.search.bounds import Bounds, places_of
from fhl_ppl.core.search.ends import DRAWS
from fhl_ppl.core.target import Plain
from fhl_ppl.numpyro import FHL
from fhl_ppl.numpyro.control import PYTHON, WITHOUT_HOST
from tests.hills import Hills
from tests.numpyro.models import CHEAP


def flat(found):
    """All arrays of what is found."""
    return [*found[:2], *found.modes, found.missed]


HILLS = Hills(([4.0, 4.0], [-4.0, -4.0]), (0.0, 3.0))
GRID = Hills(([-2.0, -1.5], [2.0, 1.5], [-5.0, 2.5], [-1.0, 5.5]), (0.0, 1.0, 2.0, 3.0))
"""One of these is come to from the others alone, as their fourth corner."""
FIXED = {**CHEAP, "adapt_step_size": False, "adapt_mass_matrix": False, "num_steps": 1}
CHAINS = 4
BOUNDS = Bounds(50, 3, 1200)
PLACES = 3 * places_of(CHAINS)


# Of a longer search: rounding grows from step to step of a descent.
@pytest.mark.parametrize(("hills", "tolerance"), [(HILLS, 1e-9), (GRID, 1e-6)], ids=["two", "grid"])
def test_compiled_it_finds_what_it_finds_in_numpy(hills, tolerance):
    rng = np.random.default_rng(0)
    position = rng.uniform(-2, 2, (CHAINS, 2))
    noise = rng.standard_normal((DRAWS, PLACES, 2))
    uniform = rng.uniform(1e-9, 1, (PLACES, 2 + DRAWS))
    with np.errstate(all="ignore"):
        expected = search(Plain(hills), position, 2.0, noise, uniform, BOUNDS, PYTHON)
    with jax.enable_x64(True):
        found = jax.jit(
            lambda q, *given: search(Plain(hills), q, 2.0, *given, BOUNDS, WITHOUT_HOST)
        )(*map(jnp.asarray, (position, noise, uniform)))
    for one, other in zip(flat(found), flat(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def steep():
    """Two solutions, one of which is 60 above the other, and down to which more places lead."""
    x = numpyro.sample("x", dist.Normal(0, 10).expand([3]).to_event(1))
    right = -0.5 * ((x - 5) ** 2).sum() / 0.25
    wrong = -0.5 * ((x + 3) ** 2).sum() / 0.25 - 60
    numpyro.factor("two", jnp.logaddexp(right, wrong))


def begun(model=steep, num_warmup=1000, init_params=None, **settings):
    """The state before the first iteration, and after it."""
    kernel = FHL(model, **{**FIXED, **settings})
    keys = random.split(random.key(0), CHAINS)
    state = kernel.init(keys, num_warmup, init_params, (), {})
    return state, lambda: kernel.sample(state, (), {})


def test_all_start_in_the_right_solution():
    with_search, without = begun()[0], begun(search=False)[0]
    assert (without.particles.potential_energy > 50).any()
    assert (with_search.particles.potential_energy < 30).all()


def test_the_first_iteration_counts_what_it_cost():
    state, go = begun()
    spent = int(state.n_steps[0])
    # At the most a fifth of a gradient in each iteration, and the draws.
    assert 0 < spent <= 0.2 * 1000 + DRAWS * places_of(CHAINS) / CHAINS
    np.testing.assert_array_equal(go().n_steps, spent + 1)
    state, go = begun(search=False)
    np.testing.assert_array_equal(go().n_steps, 1)


@pytest.mark.parametrize(
    "settings",
    [
        {"search": False},
        {"num_warmup": 100},
        {"init_strategy": init_to_median},
        {"gradient_fn": lambda z: z},
        {"init_params": {"x": jnp.full((CHAINS, 3), -3.5)}},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_there_is_none(settings):
    state, _ = begun(**settings)
    np.testing.assert_array_equal(state.n_steps, 0)


def two():
    """Two modes, and descents to both."""
    x = numpyro.sample("x", dist.Normal(0, 10).expand([3]).to_event(1))
    numpyro.factor("two", -0.5 * (jnp.abs(x[0]) - 3) ** 2 / 0.09)


def test_what_it_finds_the_replicas_at_the_target_know():
    kernel = FHL(two, temperatures=3)
    state = kernel.init(random.split(random.key(0), CHAINS), 1000, None, (), {})
    assert 0 < state.n_steps[0] <= 0.4 * 1000 + DRAWS * places_of(CHAINS) / CHAINS
    known = in_use(state.replicas.learnt["archive"].components.fitted.log_weight).sum(axis=1)
    np.testing.assert_array_equal(known, [2, 0, 0])
    assert in_use(state.learnt["archive"].components.fitted.log_weight).sum() == 2
    np.testing.assert_array_equal(state.replicas.particles.position[0], state.particles.position)


def in_batches():
    x = numpyro.sample("x", dist.Normal(0, 10))
    with numpyro.plate("rows", 20, subsample_size=5) as index:
        numpyro.sample("y", dist.Normal(x, 1), obs=jnp.arange(20.0)[index])


def test_there_is_none_where_all_start_at_an_anchor():
    state, _ = begun(in_batches, minibatch=True)
    np.testing.assert_array_equal(state.n_steps, 0)


@pytest.mark.parametrize(
    ("search", "error"), [("all", TypeError), (2.5, TypeError), (0, ValueError)]
)
def test_a_search_that_is_neither_truth_nor_number_is_refused(search, error):
    told = "search must be True, False or the number of places to descend from, got "
    with pytest.raises(error, match=told):
        FHL(steep, search=search)


def test_truth_may_be_numpys():
    for chosen in (True, False):
        spent = [int(begun(search=one)[0].n_steps.sum()) for one in (chosen, np.bool_(chosen))]
        assert spent[0] == spent[1]


def test_more_places_cost_more():
    spent = [int(begun(search=search)[0].n_steps.sum()) for search in (True, 300)]
    assert spent[1] > 5 * spent[0]


@pytest.mark.parametrize("method", ["sequential", jax.vmap], ids=["sequential", "vmap"])
def test_chains_of_any_kind_search(method):
    mcmc = MCMC(
        FHL(steep, **FIXED),
        num_warmup=400,
        num_samples=2,
        num_chains=2,
        chain_method=method,
        progress_bar=False,
    )
    mcmc.run(random.key(0))
    assert (mcmc.get_samples()["x"] > 2).all()
