"""Every model of the collection, from start to draws, with the way in which it is evaluated."""

import numpy as np
import pyro
import pytest
import torch
from pyro.distributions import constraints

from fhl_ppl.pyro import FHL, MCMC
from fhl_ppl.pyro.batching import ladder
from tests.pyro.models import MODELS

CHAINS, WARMUP, DRAWS = 8, 20, 10

# Name, rung, and by site the shape of a draw and its support.
REAL, POSITIVE, UNIT = constraints.real, constraints.positive, constraints.unit_interval
SIMPLEX = constraints.simplex
TABLE = {
    "bayesian_network": ("fx", {"w1": ((2, 4), REAL), "b1": ((4,), REAL), "w2": ((4, 1), REAL)}),
    "beta_binomial": ("fx", {"a": ((), POSITIVE), "b": ((), POSITIVE)}),
    "beta_sites": ("fx", {"p": ((3,), UNIT)}),
    "dirichlet_multinomial": ("fx", {"p": ((3,), SIMPLEX)}),
    "eight_schools_centred": (
        "fx",
        {"mu": ((), REAL), "tau": ((), POSITIVE), "theta": ((8,), REAL)},
    ),
    "eight_schools_noncentred": (
        "fx",
        {"mu": ((), REAL), "tau": ((), POSITIVE), "raw": ((8,), REAL)},
    ),
    "factor_only": ("fx", {"x": ((), REAL), "y": ((), REAL)}),
    "garch": ("fx", {"a0": ((), POSITIVE), "a1": ((), UNIT), "b1": ((), UNIT)}),
    "gaussian_process": (
        "fx",
        {"length": ((), POSITIVE), "amplitude": ((), POSITIVE), "noise": ((), POSITIVE)},
    ),
    "gaussian_process_by_hand": ("fx", {"length": ((), POSITIVE)}),
    "hmm_enumerated": ("fx", {"transition": ((2, 2), SIMPLEX), "loc": ((2,), REAL)}),
    "horseshoe": ("fx", {"tau": ((), POSITIVE), "lam": ((4,), POSITIVE), "beta": ((4,), REAL)}),
    "improper_ordered": ("fx", {"cut": ((3,), constraints.ordered_vector)}),
    "in_place": ("fx", {"x": ((3,), REAL)}),
    "lkj_mvn": ("fx", {"sigma": ((3,), POSITIVE), "corr": ((3, 3), constraints.corr_cholesky)}),
    "logistic": ("fx", {"w": ((3,), REAL)}),
    "masked_and_scaled": ("fx", {"loc": ((4,), REAL)}),
    "mixture_enumerated": ("fx", {"weights": ((2,), SIMPLEX), "loc": ((2,), REAL)}),
    "nested_plates": (
        "fx",
        {
            "scale": ((), POSITIVE),
            "noise": ((), POSITIVE),
            "mean": ((3,), REAL),
            "x": ((4, 3), REAL),
        },
    ),
    "ordered_logistic": ("fx", {"slope": ((), REAL), "gaps": ((2,), POSITIVE)}),
    "poisson_exposure": ("fx", {"rate": ((), POSITIVE), "effect": ((2,), REAL)}),
    "python_branch": ("loop", {"x": ((), REAL)}),
    "python_item": ("loop", {"x": ((), REAL)}),
    "shared_distribution": ("fx", {"x": ((3,), REAL)}),
    "stochastic_volatility": (
        "fx",
        {"sigma": ((), POSITIVE), "nu": ((), POSITIVE)}
        | {f"state{t}": ((), REAL) for t in range(8)},
    ),
    "transformed": ("fx", {"x": ((2,), REAL)}),
    "unused_site": ("fx", {"flat": ((), REAL), "x": ((), REAL)}),
    "zero_inflated": ("fx", {"gate": ((), UNIT), "rate": ((), POSITIVE)}),
}


@pytest.fixture(autouse=True, scope="module")
def _float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def ran(name, **settings):
    pyro.set_rng_seed(1)
    mcmc = MCMC(FHL(MODELS[name], **settings), DRAWS, WARMUP, None, CHAINS, disable_progbar=True)
    mcmc.run()
    return mcmc


def faults(mcmc, rung, sites):
    """What is not as the table has it."""
    draws, found = mcmc.get_samples(group_by_chain=True), []
    potential = mcmc._chains.engine.potential
    if potential.rung != rung:
        found.append(f"rung {potential.rung}, {potential.reason}")
    shapes = {name: tuple(value.shape) for name, value in draws.items()}
    if shapes != {name: (CHAINS, DRAWS, *shape) for name, (shape, _) in sites.items()}:
        return [*found, f"shapes {shapes}"]
    for name, (_, support) in sites.items():
        if not support.check(draws[name]).all():
            found.append(f"support of {name}")
        if len(draws[name][:, -1].unique(dim=0)) < CHAINS:
            found.append(f"chains of {name} are at one place")
    if not np.isfinite(mcmc.diagnostics()["energy"]).all():
        found.append("energies")
    return found


def test_the_table_is_complete():
    assert set(TABLE) == set(MODELS)
    assert len(MODELS) >= 18


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"python_branch", "python_item"}))
def test_batched_models(name):
    assert faults(ran(name), *TABLE[name]) == []


@pytest.mark.parametrize("name", ["python_branch", "python_item"])
def test_control_flow_runs_on_the_loop(name):
    with pytest.warns(RuntimeWarning, match="one by one.*data-dependent control flow") as caught:
        mcmc = ran(name)
    assert len([w for w in caught if issubclass(w.category, RuntimeWarning)]) == 1
    assert faults(mcmc, *TABLE[name]) == []


@pytest.mark.parametrize("coupling", ["alternate", "joint"])
def test_with_a_pull_and_with_both_couplings(coupling):
    mcmc = ran("lkj_mvn", coupling=coupling, pulling_strength=0.5)
    assert faults(mcmc, *TABLE["lkj_mvn"]) == []


def test_a_model_that_is_not_batched_is_seen(monkeypatch):
    monkeypatch.setattr(ladder.Ladder, "_vmapped", lambda self, q, fillable=False: (q[:, 0], q))
    with pytest.warns(RuntimeWarning, match="vmap is wrong"):
        mcmc = ran("factor_only")
    assert faults(mcmc, *TABLE["factor_only"])[0].startswith("rung loop, vmap is wrong")
