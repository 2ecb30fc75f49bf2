"""The evidence Z = integral of exp(-U), by bridge sampling between the draws and G (section 12).

Meng and Wong (1996): of all identities Z = E_G[exp(-U) h] / E_p[G h] the one with the least error
has h ~ 1 / (s_p exp(-U) / Z + s_G G), s being the shares of what is known of either side. G has to
be fitted to other draws than those that it is compared with.

The space may be divided into parts, the Z of which are estimated one by one and added up. Then only
the shape of the posterior within a part is taken from the draws, not how many are in each: chains
that hardly ever cross between modes do no harm, and what they say of the weights can be checked.
"""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace

Array = Any

HALVINGS = 80
"""Of the interval that log Z is searched in: of a width of 1e8 they leave nothing but rounding."""


class Bridge(NamedTuple):
    """What is known of the evidence.

    Attributes
    ----------
    log_evidence
        log Z, a scalar.
    error_of_draws, error_of_g
        What the draws, and those from G, contribute to its standard error.
    share
        What each part has of Z, shape [part].
    share_error
        The standard error of its logarithm, shape [part].
    overlap
        What the posterior p and G have in common, between 0 and 1: the smaller of the means of
        2 p / (p + G) over draws from G and of 2 G / (p + G) over draws from p.
    """

    log_evidence: Array
    error_of_draws: Array
    error_of_g: Array
    share: Array
    share_error: Array
    overlap: Array


def bridge(of_draws: Array, of_g: Array, draws_in: Array, g_in: Array, effective: Array) -> Bridge:
    """Estimate log Z.

    Parameters
    ----------
    of_draws, of_g
        -U(q) - log G(q) at the draws [draw], and at independent draws from G [proposal].
    draws_in, g_in
        1 where these are in a part, else 0: [part, draw] and [part, proposal]. Each part has draws.
    effective
        How many independent draws those in a part are worth, shape [part].

    Examples
    --------
    Where G is the posterior, Z is known without error:

    >>> import numpy as np
    >>> of_draws, of_g = np.full(100, 3.0), np.full(50, 3.0)
    >>> one_part = np.ones((1, 100)), np.ones((1, 50))
    >>> found = bridge(of_draws, of_g, *one_part, np.array([100.0]))
    >>> round(float(found.log_evidence), 9), round(float(found.error_of_g), 9)
    (3.0, 0.0)
    """
    xp = array_namespace(of_draws)
    proposals = of_g.shape[0]
    count = xp.sum(draws_in, axis=1)
    # exp(-U) / G times this, over 1 + the same, is between 0 and 1 and cannot overflow.
    offset = xp.log(effective / proposals)

    def mean_lower(log_part: Array) -> Array:
        at = of_draws - (log_part - offset)[:, None]
        return xp.sum(draws_in * logistic(-at), axis=1) / count

    def upper(log_part: Array) -> Array:
        return g_in * logistic(of_g - (log_part - offset)[:, None])

    # Draws that are infinitely likely are as good as the likeliest of the others.
    least = xp.min(of_draws)
    most = xp.max(xp.where(xp.isfinite(of_draws), of_draws, least))
    beyond = xp.max(xp.abs(offset)) + 50.0
    low = xp.minimum(least, xp.max(of_g)) - beyond + 0 * effective
    high = xp.maximum(most, xp.max(of_g)) + beyond + 0 * effective
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        too_high = effective * mean_lower(middle) > xp.sum(upper(middle), axis=1)
        low, high = xp.where(too_high, low, middle), xp.where(too_high, middle, high)
    log_part = (low + high) / 2

    most = xp.max(log_part)
    part = xp.exp(log_part - most)
    total = xp.sum(part)
    share = part / total
    log_evidence = most + xp.log(total)
    of_upper, of_lower = upper(log_part), mean_lower(log_part)
    # Estimates of Z from single proposals, over Z, of all parts and of each: their mean is 1.
    each = of_upper * proposals / xp.sum(of_upper, axis=1)[:, None]
    terms = xp.sum(share[:, None] * each, axis=0)
    at = of_draws - (log_part - offset)[:, None]
    some = xp.where(of_lower > 0, of_lower, 1.0)
    lower = draws_in * (logistic(-at) / some[:, None] - 1)
    of_draws_alone = xp.sum(lower**2, axis=1) / count / effective
    common = xp.minimum(
        xp.mean(2 * logistic(of_g - log_evidence)),
        xp.mean(2 * logistic(log_evidence - of_draws)),
    )
    return Bridge(
        log_evidence,
        xp.sqrt(xp.sum(share**2 * of_draws_alone)),
        xp.sqrt(xp.var(terms) / proposals),
        share,
        xp.sqrt(xp.var(each, axis=1) / proposals + of_draws_alone),
        common,
    )


def logistic(value: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    xp = array_namespace(value)
    return 1 / (1 + xp.exp(xp.clip(-value, None, 700.0)))
