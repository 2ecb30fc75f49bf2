"""Moments of chains without their draws: those of the draws, had they been kept."""

import numpy as np
import pytest

from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.moments import across_chains, welford
from tests.conftest import importorskip


def taken_up(draws):
    """Of draws [draw, chain, ...]."""
    moments = across_chains.empty(draws[0])
    for draw in draws:
        moments = across_chains.update(moments, draw)
    return moments


def streamed(draws, group_size, super_size):
    chains = draws.shape[1]
    groups, supers = (make_groups(chains, size, draws) for size in (group_size, super_size))
    return across_chains.agreement(taken_up(draws), draws.shape[1:], groups, supers)


def of_kept(draws, group_size, super_size):
    """The definitions, of equal groups."""
    number, chains = draws.shape[:2]
    rest = draws.shape[2:]
    supers = draws.reshape(number, chains // super_size, super_size, *rest)
    within = supers.var(axis=0, ddof=1).mean(axis=1)
    apart = supers.mean(axis=0).var(axis=1, ddof=1) if super_size > 1 else 0
    nested = 1 + supers.mean(axis=(0, 2)).var(axis=0, ddof=1) / (within + apart).mean(axis=0)
    groups = draws.reshape(number, chains // group_size, group_size, *rest).mean(axis=(0, 2))
    mcse = groups.std(axis=0, ddof=1) / len(groups) ** 0.5
    sd = draws.std(axis=(0, 1), ddof=1)
    w = draws.var(axis=0, ddof=1).mean(axis=0)
    r_hat = np.sqrt((number - 1) / number + draws.mean(axis=0).var(axis=0, ddof=1) / w)
    return draws.mean(axis=(0, 1)), sd, mcse, (sd / mcse) ** 2, r_hat, nested**0.5


def draws_of(rng, number=30, chains=24, shape=(3, 2)):
    """Chains that lie apart by something."""
    return 5 + rng.normal(size=(number, chains, *shape)) + 0.3 * rng.normal(size=(chains, *shape))


@pytest.mark.parametrize(("group_size", "super_size"), [(4, 12), (4, 4), (1, 1)])
def test_moments_are_those_of_the_draws(rng, group_size, super_size):
    draws = draws_of(rng)
    for name, ours, theirs in zip(
        across_chains.Agreement._fields,
        streamed(draws, group_size, super_size),
        of_kept(draws, group_size, super_size),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, err_msg=name)


def test_it_is_the_r_hat_of_arviz(rng):
    arviz = importorskip("arviz")
    draws = draws_of(rng, shape=())
    theirs = arviz.rhat(draws.T, method="identity")
    np.testing.assert_allclose(streamed(draws, 4, 8).r_hat, theirs, rtol=1e-10)


def test_pooled_moments_would_not_do(rng, monkeypatch):
    """Broken on purpose: the spread between chains counted as a spread within them."""

    def pooled(moments, sites):
        both = welford.update(moments, sites.reshape(1, -1))
        away = (sites - sites.mean(axis=0)).reshape(-1)
        return both._replace(scatter=moments.scatter + away**2)

    draws = draws_of(rng)
    monkeypatch.setattr(across_chains, "update", pooled)
    assert not np.allclose(streamed(draws, 4, 12).r_hat, of_kept(draws, 4, 12)[4], rtol=1e-3)


def test_groups_of_other_sizes_count_for_what_they_are(rng):
    draws = draws_of(rng, chains=10, number=2000, shape=())
    found = streamed(draws, 4, 4)
    means = [part.mean() for part in np.split(draws, [4, 7], axis=1)]
    weighed = np.array([4, 3, 3]) * (np.array(means) - draws.mean()) / 10
    np.testing.assert_allclose(found.mcse, np.sqrt((weighed**2).sum() * 3 / 2), rtol=1e-10)


def test_the_error_is_that_of_the_mean(rng):
    """In 400 runs of slow chains, of 16 groups each: z has variance 17/15 (t of 15 degrees)."""
    chains = np.cumsum(rng.normal(size=(40, 64, 400)), axis=0)
    draws = chains - chains.mean(axis=0) * 0.5
    found = streamed(draws, 4, 4)
    # The variance of 400 z has an error of some 8 %.
    assert 0.75 < np.mean((found.mean / found.mcse) ** 2) < 1.55


def test_one_draw_or_one_group_says_little(rng):
    with np.errstate(all="ignore"):
        one = streamed(draws_of(rng, number=1), 4, 12)
        alone = streamed(draws_of(rng, chains=4), 4, 4)
    assert np.isnan(one.r_hat).all()
    assert np.isfinite(one.r_hat_nested).all()
    assert np.isnan(alone.mcse).all()
    assert np.isfinite(alone.r_hat).all()


def test_single_precision_stays_single_and_near(rng):
    draws = draws_of(rng, number=500)
    moments = taken_up(draws.astype(np.float32))
    assert {part.dtype for part in moments} == {np.dtype(np.float32)}
    np.testing.assert_allclose(moments.mean, draws.mean(axis=0).ravel(), rtol=1e-5)


def test_jax_and_torch_take_up_the_same(rng):
    draws = draws_of(rng).astype(np.float32)
    ours = taken_up(draws)
    for library, array in (("jax", "numpy"), ("torch", None)):
        module = importorskip(library)
        asarray = module.numpy.asarray if array else module.asarray
        for one, other in zip(taken_up([asarray(x) for x in draws]), ours, strict=True):
            np.testing.assert_allclose(np.asarray(one), other, rtol=1e-5)
