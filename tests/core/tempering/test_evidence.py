"""Stepping stones: right to within their error, in all libraries, and near misses are caught."""

import numpy as np
import pytest

from fhl_ppl.core.tempering.evidence import stepping_stones
from tests.conftest import importorskip
from tests.tempered import PRECISION, exact_draws, path

BETA = np.array([1.0, 0.4, 0.1, 0.0])
TRUTH = -np.log(PRECISION) / 2
RUNS, DRAWS = 200, 400


def tension_of(seed):
    """V of exact draws at all temperatures."""
    rng = np.random.default_rng(seed)
    draws = exact_draws(rng, BETA, DRAWS)
    return np.stack([path().parts(each).tension for each in draws])


def z_scores(estimate=stepping_stones, beta=BETA):
    found = [estimate(beta, tension_of(seed)) for seed in range(RUNS)]
    return np.array(
        [(each.log_ratio.sum() - TRUTH) / each.influence.std() * DRAWS**0.5 for each in found]
    )


def test_the_error_is_that_of_independent_draws():
    z = z_scores()
    # Bounds of 4 standard errors; the logarithm of what scatters has a bias of a tenth of them.
    assert abs(z.mean()) < 4 / RUNS**0.5 + 0.1
    assert abs(z.std() - 1) < 4 / (2 * RUNS) ** 0.5


def one_side(beta, tension):
    """The hotter draws alone, as of the prior the mean likelihood."""
    log_weight = -(beta[:-1] - beta[1:])[:, None] * tension[1:]
    found = np.log(np.mean(np.exp(log_weight), axis=1))
    share = np.exp(log_weight - found[:, None])
    return stepping_stones(beta, tension)._replace(
        log_ratio=found, influence=np.sum(share - 1, axis=0)
    )


def of_one_pair(beta, tension):
    """As if pairs, which have draws in common, did not depend on one another."""
    pairs = [stepping_stones(beta[k : k + 2], tension[k : k + 2]) for k in range(len(beta) - 1)]
    influence = np.linalg.norm([each.influence for each in pairs], axis=0)
    sign = np.where(np.arange(DRAWS) % 2, 1.0, -1.0)
    return stepping_stones(beta, tension)._replace(influence=sign * influence)


def test_one_side_alone_is_worse_and_pairs_are_not_independent():
    ends = BETA[[0, -1]], tension_of(0)[[0, -1]]
    assert stepping_stones(*ends).influence.std() < 0.9 * one_side(*ends).influence.std()
    assert abs(z_scores(of_one_pair).std() - 1) > 4 / (2 * RUNS) ** 0.5


def test_other_temperatures_are_caught():
    assert abs(z_scores(beta=np.array([1.0, 0.5, 0.1, 0.0])).mean()) > 1


def test_replicas_that_have_nothing_in_common():
    tension = np.stack([np.full(DRAWS, 0.0), np.full(DRAWS, 3.0), np.full(DRAWS, np.inf)])
    found = stepping_stones(np.array([1.0, 0.5, 0.0]), tension)
    assert np.isfinite(found.log_ratio).all()
    assert np.isfinite(found.influence).all()
    assert found.overlap[-1] < 1e-9
    nan = stepping_stones(np.array([1.0, 0.0]), np.stack([tension[0], np.full(DRAWS, np.nan)]))
    assert nan.overlap < 1e-9


@pytest.mark.parametrize("library", ["jax", "torch"])
def test_libraries(library):
    given = BETA, tension_of(1)
    expected = stepping_stones(*given)
    if library == "jax":
        jax = importorskip("jax")
        with jax.enable_x64(True):
            found = jax.jit(stepping_stones)(*map(jax.numpy.asarray, given))
    else:
        torch = importorskip("torch")
        found = stepping_stones(*map(torch.as_tensor, given))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.asarray(one), other, rtol=1e-9, atol=1e-9)
