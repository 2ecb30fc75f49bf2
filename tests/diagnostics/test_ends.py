"""Ends of the draws at which trajectories are refused."""

import numpy as np
import pytest
import xarray as xr

from fhl_ppl.diagnostics import ends
from fhl_ppl.diagnostics.ends import narrow_ends, refused_ends

CHAINS, DRAWS = 4, 1000


def run(rng, slope=3.0, stuck=None, **attributes):
    """Draws of `v` and `x`; trajectories lose the more the smaller `v` is, or those of one chain.

    A trajectory begins at the draw before the one that has its statistics.
    """
    v, x = rng.standard_normal((2, CHAINS, DRAWS))
    acceptance = np.ones((CHAINS, DRAWS))
    acceptance[:, 1:] = np.exp(-np.maximum(0, -slope * (v[:, :-1] + 1.5)))
    if stuck is not None:
        acceptance[:] = 0.95
        v[stuck, 100:220], acceptance[stuck, 101:221] = -6.0, 0.0
    where = ("chain", "draw")
    posterior = xr.Dataset({"v": (where, v), "x": ((*where, "j"), x[..., None])})
    move = np.zeros((CHAINS, DRAWS), int)
    statistics = {"acceptance_rate": (where, acceptance), "move": (where, move)}
    return posterior, xr.Dataset(statistics, attrs=attributes)


def test_an_end_where_trajectories_are_refused_is_named(rng):
    assert list(refused_ends(*run(rng))) == ["small v"]
    sentence = narrow_ends(*run(rng))
    assert sentence.startswith("Trajectories that begin at small v are refused far more often")


def test_an_even_acceptance_is_nothing_to_tell_of(rng):
    assert refused_ends(*run(rng, slope=0.0)) == {}
    assert narrow_ends(*run(rng, slope=0.0)) == ""


def test_one_particle_that_is_stuck_is_no_end(rng, monkeypatch):
    assert refused_ends(*run(rng, stuck=2)) == {}
    monkeypatch.setattr(ends, "_loss", lambda lost, there: lost[there].mean())
    assert refused_ends(*run(rng, stuck=2)) != {}


@pytest.mark.parametrize(
    "attributes", [{"thinning": 2}, {"unseen_steps": 1.0}, {"trusts_gradient": 0}]
)
def test_where_draws_or_gradients_do_not_say_nothing_is_told(rng, attributes):
    assert refused_ends(*run(rng, **attributes)) == {}


def test_jumps_are_not_judged(rng):
    posterior, statistics = run(rng)
    statistics["move"] += 1
    assert refused_ends(posterior, statistics) == {}


def test_a_run_of_another_kernel_is_not_judged(rng):
    posterior, statistics = run(rng)
    assert refused_ends(posterior, statistics[["acceptance_rate"]]) == {}


def test_a_narrower_end_is_told_by_itself(rng, monkeypatch):
    posterior, statistics = run(rng, slope=0.0)
    v = posterior["v"].values
    refused = v[:, :-1] <= np.quantile(v[:, :-1], 0.01)
    statistics["acceptance_rate"].values[:, 1:] = np.where(refused, 0.2, 0.95)
    assert list(refused_ends(posterior, statistics)) == ["small v"]
    monkeypatch.setattr(ends, "ENDS", {0.03: 0.6})
    assert refused_ends(posterior, statistics) == {}
