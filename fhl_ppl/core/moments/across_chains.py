"""Moments of many chains of which no draws are kept, and how far the chains agree.

What has to be kept is a mean and a sum of squares for each scalar of each chain: `welford`, with
the scalars of all chains laid end to end as one long vector. Chains exchange nothing for it, so
over several devices neither do these.
"""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.groups import Groups, group_sum, spread
from fhl_ppl.core.moments import welford
from fhl_ppl.core.moments.welford import Welford

Array = Any


class Agreement(NamedTuple):
    """What the moments of chains say, each of shape [...], that of one chain's draw.

    Attributes
    ----------
    mean, sd
        Over all draws of all chains.
    mcse
        Standard error of the mean, from how far the means of groups lie apart. Groups exchange
        nothing, so nothing has to be known of how draws follow one another. From G groups its own
        relative error is (2 (G - 1))^(-1/2), and with one it is nan.
    ess
        Independent draws that would give the mean this error, (sd / mcse)^2.
    r_hat
        With chains as the units, neither split nor rank-normalised (Gelman and Rubin 1992).
    r_hat_nested
        With superchains as the units (Margossian, Hoffman, Sountsov, Riou-Durand, Vehtari and
        Gelman 2024, "Nested R-hat"): the spread of their means in units of the spread of the draws
        within them. It says of many short chains whether they have forgotten where they began, if
        all of a superchain began in one place.
    """

    mean: Array
    sd: Array
    mcse: Array
    ess: Array
    r_hat: Array
    r_hat_nested: Array


def empty(sites: Array) -> Welford:
    """Moments of no draws, for those of all chains, [chain, ...]."""
    xp = array_namespace(sites)
    return welford.empty(xp.reshape(sites, (1, -1)), dense=False)


def update(moments: Welford, sites: Array) -> Welford:
    """Add a draw of every chain, [chain, ...]."""
    xp = array_namespace(sites)
    return welford.update(moments, xp.reshape(sites, (1, -1)))


def agreement(
    moments: Welford, shape: tuple[int, ...], groups: Groups, supers: Groups
) -> Agreement:
    """Compare chains, groups and superchains.

    Parameters
    ----------
    moments
        Of all chains, from `update`; in double precision if chains are many.
    shape
        Of a draw of all chains, (chain, ...).
    groups, supers
        Who belongs together; a superchain is of whole groups.

    Examples
    --------
    >>> import numpy as np
    >>> from fhl_ppl.core.groups import make_groups
    >>> draws = np.random.default_rng(0).normal(3.0, 2.0, (100, 64, 1))
    >>> moments = empty(draws[0])
    >>> for draw in draws:
    ...     moments = update(moments, draw)
    >>> groups, supers = make_groups(64, 4, draws), make_groups(64, 16, draws)
    >>> found = agreement(moments, (64, 1), groups, supers)
    >>> np.round([found.mean[0], found.sd[0], found.r_hat[0], found.r_hat_nested[0]], 1).tolist()
    [3.0, 2.0, 1.0, 1.0]
    """
    xp = array_namespace(moments.mean)
    chains, draws = shape[0], moments.count
    later = xp.where(draws > 1, draws - 1, xp.nan + 0 * draws)
    means, scatter = (xp.reshape(part, shape) for part in (moments.mean, moments.scatter))
    mean = xp.mean(means, axis=0)
    away = means - mean
    between, within = xp.sum(away**2, axis=0), xp.sum(scatter, axis=0)
    variance = (within + draws * between) / (chains * draws - 1)
    within = within / (chains * later)

    size = _column(groups.size, mean)
    count = groups.size.shape[0]
    # Sums over groups, so that one with a particle less counts for less.
    of_groups = group_sum(groups, means) - size * mean
    error = xp.sum(of_groups**2, axis=0) / chains**2 * (count / _degrees(count))

    ratio = between / _degrees(chains) / within
    return Agreement(
        mean,
        variance**0.5,
        error**0.5,
        variance / error,
        ((draws - 1) / draws + ratio) ** 0.5,
        # Of one draw each, chains have no spread of their own.
        _nested(means, xp.where(draws > 1, scatter / later, scatter), supers),
    )


def _nested(means: Array, variances: Array, supers: Groups) -> Array:
    """The nested R-hat, [...], of the mean and the variance of each chain, [chain, ...]."""
    xp = array_namespace(means)
    size, count = _column(supers.size, means[0, ...]), supers.size.shape[0]
    of_supers = group_sum(supers, means) / size
    apart = group_sum(supers, (means - spread(supers, of_supers)) ** 2)
    # A superchain of one chain has no spread of means within it.
    apart = xp.where(size > 1, apart / xp.where(size > 1, size - 1, size), 0 * apart)
    within = xp.mean(apart + group_sum(supers, variances) / size, axis=0)
    away = of_supers - xp.mean(of_supers, axis=0)
    return (1 + xp.sum(away**2, axis=0) / _degrees(count) / within) ** 0.5


def _degrees(count: int) -> float:
    """One less than there are, and nan of one alone."""
    return count - 1 if count > 1 else float("nan")


def _column(size: Array, like: Array) -> Array:
    """Sizes [group] to divide [group, ...] by."""
    xp = array_namespace(like)
    return xp.astype(xp.reshape(size, (-1,) + (1,) * like.ndim), like.dtype)
