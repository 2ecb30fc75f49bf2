"""A search before warm-up, in Pyro: the one of core, and what it costs."""

import numpy as np
import pytest

from tests.conftest import importorskip

torch = importorskip("torch")
pyro = importorskip("pyro")

import pyro.distributions as dist
from pyro.infer.autoguide.initialization import init_to_median

from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.search import search
from fhl_ppl.core.search.bounds import Bounds, places_of
from fhl_ppl.core.search.ends import DRAWS
from fhl_ppl.core.target import Plain
from fhl_ppl.pyro import FHL, MCMC
from tests.hills import Hills


def flat(found):
    """All arrays of what is found."""
    return [*found[:2], *found.modes, found.missed]


HILLS = Hills(([4.0, 4.0], [-4.0, -4.0]), (0.0, 3.0))
GRID = Hills(([-2.0, -1.5], [2.0, 1.5], [-5.0, 2.5], [-1.0, 5.5]), (0.0, 1.0, 2.0, 3.0))
"""One of these is come to from the others alone, as their fourth corner."""
FIXED = {"adapt_step_size": False, "adapt_mass_matrix": False, "num_steps": 1, "step_size": 0.1}
CHAINS = 4
BOUNDS = Bounds(50, 3, 1200)
PLACES = 3 * places_of(CHAINS)


# Of a longer search: rounding grows from step to step of a descent.
@pytest.mark.parametrize(("hills", "tolerance"), [(HILLS, 1e-9), (GRID, 1e-6)], ids=["two", "grid"])
def test_of_tensors_it_finds_what_it_finds_in_numpy(hills, tolerance):
    rng = np.random.default_rng(0)
    position = rng.uniform(-2, 2, (CHAINS, 2))
    noise = rng.standard_normal((DRAWS, PLACES, 2))
    uniform = rng.uniform(1e-9, 1, (PLACES, 2 + DRAWS))
    with np.errstate(all="ignore"):
        expected = search(Plain(hills), position, 2.0, noise, uniform, BOUNDS, PYTHON)
    position, noise, uniform = map(torch.as_tensor, (position, noise, uniform))
    found = search(Plain(hills), position, 2.0, noise, uniform, BOUNDS, PYTHON)
    for one, other in zip(flat(found), flat(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def steep():
    """Two solutions, one of which is 60 above the other, and down to which more places lead."""
    x = pyro.sample("x", dist.Normal(0.0, 10.0).expand([3]).to_event(1))
    right = -0.5 * ((x - 5) ** 2).sum() / 0.25
    wrong = -0.5 * ((x + 3) ** 2).sum() / 0.25 - 60
    pyro.factor("two", torch.logaddexp(right, wrong))


def ran(warmup_steps=400, **settings):
    torch.manual_seed(2)
    kernel = {name: settings.pop(name) for name in list(settings) if name in KERNEL}
    mcmc = MCMC(
        FHL(steep, **FIXED, **kernel),
        num_samples=2,
        warmup_steps=warmup_steps,
        num_chains=CHAINS,
        keep_warmup=True,
        **settings,
    )
    mcmc.run()
    return mcmc


KERNEL = {"search", "init_strategy", "gradient_fn", "temperatures"}


def first_count(mcmc):
    """Gradients that the first iteration counts."""
    return mcmc._chains.warmup.statistics()["n_steps"][0, 0]


def test_all_start_in_the_right_solution_and_the_cost_is_counted():
    mcmc = ran()
    assert (mcmc.get_samples()["x"] > 2).all()
    # At the most a fifth of a gradient in each iteration, and the draws.
    assert 1 < first_count(mcmc) <= 0.2 * 400 + DRAWS * places_of(CHAINS) / CHAINS + 1
    mcmc = ran(search=False)
    assert (mcmc.get_samples()["x"] < 2).any()
    assert first_count(mcmc) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"warmup_steps": 20},
        {"init_strategy": init_to_median},
        {"gradient_fn": lambda sites: sites},
        {"initial_params": {"x": torch.full((CHAINS, 3), -3.5)}},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_there_is_none(settings):
    assert first_count(ran(**settings)) == 1


def test_with_temperatures_it_is_made_at_the_target():
    mcmc = ran(temperatures=2)
    assert (mcmc.get_samples()["x"] > 2).all()
    assert 4 < first_count(mcmc) <= 0.2 * 400 + DRAWS * places_of(CHAINS) / CHAINS + 4


def test_a_state_that_is_loaded_searches_for_nothing(monkeypatch):
    mcmc = ran()
    state = mcmc.state_dict()
    torch.manual_seed(1)
    again = MCMC(FHL(steep, **FIXED), num_samples=2, warmup_steps=400, num_chains=CHAINS)
    monkeypatch.setattr("fhl_ppl.pyro.run.engine.search", lambda *_: pytest.fail("It did."))
    again.load_state_dict(state)
    again.run()
    assert (again.get_samples()["x"] > 2).all()
