"""The evidence of a tempered run: which way is believed, and what is told of it."""

from dataclasses import replace

import numpy as np
import pytest
import xarray

from fhl_ppl.core.statistics import TENSION
from fhl_ppl.diagnostics.against_evidence import Evidence, with_stones
from fhl_ppl.diagnostics.density import Density
from fhl_ppl.diagnostics.evidence import estimate
from fhl_ppl.diagnostics.stones import ByStones, by_stones
from tests.tempered import PRECISION, exact_draws, path

BETA = np.array([1.0, 0.4, 0.1, 0.0])
TRUTH = -np.log(PRECISION) / 2
CHAINS, DRAWS = 8, 300
GROUP = np.arange(CHAINS) // 4


def replicas(seed=0, beta=BETA):
    """Exact draws, [temperature, chain, draw, 1], and their V [chain, draw, temperature]."""
    rng = np.random.default_rng(seed)
    draws = exact_draws(rng, beta, CHAINS * DRAWS)
    tension = np.stack([path().parts(each).tension for each in draws])
    shape = len(beta), CHAINS, DRAWS
    return draws.reshape(*shape, 1), np.moveaxis(tension.reshape(shape), 0, -1)


def told(tension, beta=BETA, round_trips=5):
    return xarray.Dataset(
        {TENSION: (("chain", "draw", "temperature"), tension)},
        attrs={"inverse_temperatures": beta, "round_trips": np.full(CHAINS, round_trips)},
    )


def energy(q):
    """With the constant of a normalised prior: what is to be found has one too."""
    return path().target.potential_and_gradient(q)[0] + np.log(2 * np.pi) / 2


def evidence(tension, potential=energy, **about):
    draws, _ = replicas()
    position = draws[0]
    found = potential(position.reshape(-1, 1)).reshape(CHAINS, DRAWS)
    stones = by_stones(told(tension, **about), GROUP)
    mode = np.zeros((CHAINS, DRAWS), int)
    return estimate(Density(position, potential), found, mode, GROUP, 1000, 0, (), stones)


def test_of_a_run_without_temperatures_there_is_none():
    assert by_stones(xarray.Dataset(), GROUP) is None


def test_a_ladder_for_each_chain_gives_the_mean():
    _, tension = replicas()
    pooled = by_stones(told(tension), GROUP)
    assert abs(pooled.value - TRUTH) < 4 * pooled.error < 0.2
    assert pooled.round_trips == 5 * CHAINS
    other = np.array([1.0, 0.6, 0.2, 0.0])
    _, apart = replicas(1, other)
    both = np.concatenate([tension[:4], apart[4:]])
    found = by_stones(told(both, np.concatenate([BETA, other])), GROUP)
    assert abs(found.value - TRUTH) < 4 * found.error < 0.2
    assert abs(by_stones(told(both), GROUP).value - TRUTH) > 4 * found.error


def test_repeated_draws_have_a_larger_error():
    _, tension = replicas()
    often = np.repeat(tension[:, ::3], 3, axis=1)
    few, many = (by_stones(told(each), GROUP).error for each in (tension[:, ::3], often))
    np.testing.assert_allclose(many, few, rtol=0.25)


def test_both_ways_agree_and_the_better_is_told():
    _, tension = replicas()
    found = evidence(tension)
    assert found.warnings == ()
    assert (found.value, found.error) == min(found.by_bridge, found.by_stones, key=lambda v: v[1])
    assert abs(found.by_bridge[0] - TRUTH) < 4 * found.by_bridge[1]
    assert abs(found.by_stones[0] - TRUTH) < 4 * found.by_stones[1]


def steep(tension):
    """A hottest replica that is never near the others."""
    return np.concatenate([tension[..., :-1], 1e4 + tension[..., -1:]], axis=-1)


@pytest.mark.parametrize(
    ("change", "about", "said"),
    [
        (lambda v: v, {"round_trips": 0}, "No replica went from the posterior to the reference"),
        (steep, {}, "stepping stones between them are not to be trusted"),
        (lambda v: v + 1.0, {}, "a reference_fn, or a prior, is not normalised"),
    ],
)
def test_what_speaks_against_it_is_told(change, about, said):
    _, tension = replicas()
    found = evidence(change(tension), **about)
    assert len(found.warnings) == 1
    assert said in found.warnings[0]
    assert abs(found.by_bridge[0] - TRUTH) < 4 * found.by_bridge[1]


@pytest.mark.parametrize(
    ("about", "believed"),
    [
        ({}, "bridge"),
        ({"overlap": 0.01}, "stones"),
        ({"overlap": 0.3, "k_hat": 0.9}, "stones"),
        ({"error": 0.2}, "stones"),
    ],
)
def test_the_stones_are_told_where_gaussians_do_not_fit(about, believed):
    error = about.get("error", 0.01)
    bridge = Evidence(1.0, error, (), 0.9, 0.1, 1.0, 100.0, (1.0, error))
    bridge = replace(bridge, **about)
    stones = ByStones(1.1, 0.1, 0.6, 1.02, 3)
    found = with_stones(bridge, stones)
    assert found.value == {"bridge": 1.0, "stones": 1.1}[believed]
    assert found.r_hat == 1.02
    # What does not hold is never taken.
    for weak in (stones._replace(overlap=0.0), stones._replace(round_trips=0)):
        assert with_stones(bridge, weak).value == 1.0
