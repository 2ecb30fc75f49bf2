"""Where particles start: a guess in one program, or a search where the guess has no energy."""

import numpy as np
import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
numpyro = importorskip("numpyro")

import jax.numpy as jnp
from jax import random
from numpyro import distributions as dist
from numpyro.infer import init_to_median

from fhl_ppl.numpyro import FHL
from fhl_ppl.numpyro.model import starts
from tests.numpyro.models import CHEAP


def model(least):
    x = numpyro.sample("x", dist.Normal(0, 3))
    numpyro.factor("wall", jnp.where(x > least, 0.0, -jnp.inf))


@pytest.fixture
def searches(monkeypatch):
    """How often starts were searched for."""
    found, search = [], starts._search

    def counted(*arguments):
        found.append(arguments)
        return search(*arguments)

    monkeypatch.setattr(starts, "_search", counted)
    return found


def begun(least, **settings):
    kernel = FHL(model, **CHEAP, **settings)
    return kernel.init(random.split(random.PRNGKey(0), 16), 10, None, (least,), {})


def test_a_guess_is_enough_where_all_energies_are_finite(searches):
    state = begun(-5.0)
    assert not searches
    assert np.isfinite(state.potential_energy).all()


def test_where_one_is_not_starts_are_searched_for(searches):
    # Uniform on (-2, 2), all of 16 guesses are above 1 once in 4e9.
    state = begun(1.0)
    assert len(searches) == 1
    assert (state.z["x"] > 1).all()
    assert np.isfinite(state.potential_energy).all()


def test_other_strategies_are_numpyros_search(searches):
    begun(-5.0, init_strategy=init_to_median)
    assert len(searches) == 1
