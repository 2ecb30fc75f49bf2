"""Each coordinate's Gaussian given a few drivers: a product of two factors.

A parameter of a hierarchy has, given its hyperparameters, a prior and a likelihood, and each is
about a Gaussian. Factor k has the precision phi_k = exp(level_k + slope_k . u), log-linear in the
drivers u (a scale's logarithm, say), so that the precision of both, p = phi_1 + phi_2, is a soft
maximum: the standard deviation exp(s) = p^(-1/2) follows the scale until the data take over. The
location is the weighted mean

    m = sum_k (pi_k near_k . (1, u) + phi_k^(1/2) / p far_k . (1, u)) + p^(-1/2) bend . u u',

with pi_k = phi_k / p. `near` suits a factor whose location is linear in the drivers (a centred
prior), `far` one whose location in units of its own width is (a likelihood seen through a scale,
the parametrisation that is not centred). `bend` is what bananas need, in units of the width: what
draws do not tell of it does no harm in a neck.
"""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace

Array = Any
Drivers = tuple[Array, ...]
"""u_1, ..., u_K, each [row, 1], or [row, dim] where each coordinate has its own; or the transposes
of these, with weights [..., dim, 1]."""


class Conditional(NamedTuple):
    """Weights, for K drivers and `dim` coordinates.

    Attributes
    ----------
    precision
        level and slope of the factors' log precision, shape [2, 1 + K, dim].
    near, far
        Of the factors' locations, shape [2, 1 + K, dim].
    bend
        Of the products of drivers, shape [K (K + 1) / 2, dim].
    """

    precision: Array
    near: Array
    far: Array
    bend: Array


class Parts(NamedTuple):
    """Location and log scale at given drivers, and what their derivatives are made of.

    Attributes
    ----------
    log_scale, scale, location
        s, exp(s) and m, shape [row, dim].
    share
        pi_k, two arrays [row, dim].
    reach
        phi_k^(1/2) / p, two arrays [row, dim].
    near, far
        near_k . (1, u) and far_k . (1, u), two arrays [row, dim] each.
    bent
        p^(-1/2) bend . u u', shape [row, dim].
    """

    log_scale: Array
    scale: Array
    location: Array
    share: tuple[Array, Array]
    reach: tuple[Array, Array]
    near: tuple[Array, Array]
    far: tuple[Array, Array]
    bent: Array


def products(drivers: Drivers) -> list[Array]:
    """u_i u_k for i <= k."""
    number = len(drivers)
    return [drivers[i] * drivers[k] for i in range(number) for k in range(i, number)]


def _linear(weights: Array, drivers: Drivers) -> Array:
    """weights . (1, u), shape [row, dim], of weights [1 + K, dim]."""
    value = weights[0, ...]
    for i, u in enumerate(drivers):
        value = value + weights[1 + i, ...] * u
    return value


def evaluate(weights: Conditional, drivers: Drivers) -> Parts:
    """s and m for every row of the drivers."""
    xp = array_namespace(weights.bend)
    first, second = (_linear(weights.precision[k, ...], drivers) for k in range(2))
    # From two exponentials and one root: functions are what evaluation takes, and compiling.
    is_first = first > second
    top = xp.where(is_first, first, second)
    half = xp.exp(-abs(first - second) / 2)
    ratio = half * half
    larger = 1 / (1 + ratio)
    root = xp.sqrt(larger)
    share = xp.where(is_first, larger, ratio * larger), xp.where(is_first, ratio * larger, larger)
    log_scale = -(top + xp.log1p(ratio)) / 2
    scale = xp.exp(-top / 2) * root
    wide, narrow = scale * root, scale * root * half
    reach = xp.where(is_first, wide, narrow), xp.where(is_first, narrow, wide)
    near = _linear(weights.near[0, ...], drivers), _linear(weights.near[1, ...], drivers)
    far = _linear(weights.far[0, ...], drivers), _linear(weights.far[1, ...], drivers)
    location = share[0] * near[0] + share[1] * near[1] + reach[0] * far[0] + reach[1] * far[1]
    bent = scale * sum(
        product * weights.bend[number, ...] for number, product in enumerate(products(drivers))
    )
    return Parts(log_scale, scale, location + bent, share, reach, near, far, bent)


def by_driver(weights: Conditional, parts: Parts, drivers: Drivers, i: int) -> tuple[Array, Array]:
    """Derivatives of s and m by driver number i, both [row, dim]."""
    slope = weights.precision[0, 1 + i, :], weights.precision[1, 1 + i, :]
    of_total = parts.share[0] * slope[0] + parts.share[1] * slope[1]
    location = -of_total / 2 * parts.bent
    for k in range(2):
        location = location + parts.share[k] * (
            (slope[k] - of_total) * parts.near[k] + weights.near[k, 1 + i, :]
        )
        location = location + parts.reach[k] * (
            (slope[k] / 2 - of_total) * parts.far[k] + weights.far[k, 1 + i, :]
        )
    number, others = 0, len(drivers)
    for a in range(others):
        for b in range(a, others):
            if i in (a, b):
                other = drivers[a] if i == b else drivers[b]
                location = (
                    location + parts.scale * (1 + (a == b)) * other * weights.bend[number, ...]
                )
            number += 1
    return -of_total / 2, location


def force_on_driver(
    weights: Conditional,
    parts: Parts,
    drivers: Drivers,
    i: int,
    coordinates: Array,
    gradient: Array,
) -> Array:
    """What each coordinate adds to the gradient by its driver number i, shape [row, dim].

    `gradient` is that of U by w = m + exp(s) y, `coordinates` are y.
    """
    by_scale, by_location = by_driver(weights, parts, drivers, i)
    along = by_location + by_scale * parts.scale * coordinates
    return gradient * along - by_scale
