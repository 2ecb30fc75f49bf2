"""Swaps of replicas between neighbours in temperature (section 13).

Pairs (0, 1), (2, 3), ... in even iterations and (1, 2), (3, 4), ... in odd ones, so that a replica
on its way goes on in its direction: round trips take a time that grows with the number of
temperatures and not with its square (Okada; Syed, Bouchard-Cote, Deligiannidis and Doucet 2021).
Either leaves the product of all tempered targets as it is, and so do both in turn.
"""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, numbered

Array = Any


class Swaps(NamedTuple):
    """What becomes of the pairs of neighbours, pair k being of temperatures k and k + 1.

    Attributes
    ----------
    happens
        Whether they change places, shape [pair, particle].
    is_due
        1 for pairs that are tried in this iteration, shape [pair].
    accept_prob
        Probability with which a pair is accepted if it is tried, shape [pair, particle].
    """

    happens: Array
    is_due: Array
    accept_prob: Array


def decide(beta: Array, tension: Array, uniform: Array, iteration: Array) -> Swaps:
    """Test the pairs that are due.

    Parameters
    ----------
    beta
        Inverse temperatures, falling, shape [temperature].
    tension
        V of the replicas, shape [temperature, particle].
    uniform
        Uniform on [0, 1), shape [pair, particle].
    iteration
        Its number, a scalar.
    """
    xp = array_namespace(tension)
    apart = (beta[:-1] - beta[1:])[:, None]
    log_ratio = apart * (tension[:-1, :] - tension[1:, :])
    # Where neither end has a density their difference is none; what is not finite stays.
    log_ratio = xp.where(xp.isnan(log_ratio), -xp.inf, log_ratio)
    accept_prob = xp.exp(xp.minimum(log_ratio, xp.zeros_like(log_ratio)))
    is_due = (numbered(apart[:, 0]) + iteration) % 2 == 0
    happens = is_due[:, None] & (uniform < accept_prob)
    return Swaps(happens, xp.astype(is_due, tension.dtype), accept_prob)


def swapped(happens: Array, values: Array) -> Array:
    """Give every replica's place to whom it goes to: [temperature, particle, ...] alike."""
    xp = array_namespace(values)
    pairs, particles = happens.shape
    happens = xp.reshape(happens, (pairs, particles) + (1,) * (values.ndim - 2))
    none = happens[:1, ...] & ~happens[:1, ...]
    from_hotter = xp.concat([values[1:, ...], values[-1:, ...]], axis=0)
    from_colder = xp.concat([values[:1, ...], values[:-1, ...]], axis=0)
    return xp.where(
        xp.concat([none, happens], axis=0),
        from_colder,
        xp.where(xp.concat([happens, none], axis=0), from_hotter, values),
    )
