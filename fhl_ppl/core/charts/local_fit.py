"""Which coordinates have a driver of their own, and their conditionals (section 11)."""

from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.charts import conditional, hierarchy, least_squares
from fhl_ppl.core.charts.drivers import first_largest
from fhl_ppl.core.charts.local import Local, drivers
from fhl_ppl.core.charts.rows import eye, gaussian, mean
from fhl_ppl.core.control import Control

Array = Any

EXPONENT = 2.0
"""A precision goes with this power of a scale: where the search for slopes starts."""
EVIDENT = 16.0
"""A pair is looked at if its squared correlation times the draws is this much: 4 errors."""
GAIN = 0.9
"""What the loss of a child has to fall by, in held-out draws."""


def fit(
    position: Array, gradient: Array, weights: tuple[Array, Array, Array], control: Control
) -> tuple[Local, ...]:
    """Maps fitted to rows weighted by each of `weights` [row]: all, one half, the other.

    The drivers are found in all; a child stays one if what is fitted to a half of the rows does the
    other good.
    """
    xp = array_namespace(position)
    seen = weights[0]
    centre, unit = gaussian(position, gradient, seen)
    w, h = (position - centre) / unit, gradient * unit
    common, own = pairs(w, h, seen)
    plain = hierarchy.no_weights(0 * centre, 2)
    given = drivers(Local(centre, unit, common, own, common, plain), position)
    starts = _starts(unit @ common, own @ unit)
    number = starts.shape[0] + 0 * seen[0]
    fits = control.cond(
        xp.any(own > 0),
        lambda given: least_squares.fit_from_starts(
            starts, number, plain, given, w, h, weights, control
        ),
        lambda given: (plain, plain, plain),
        given,
    )
    before, after = 0 * centre, 0 * centre
    for fitted, judged in zip(fits[1:], weights[:0:-1], strict=True):
        parts = conditional.evaluate(fitted, given)
        after = after + _loss(least_squares.residual(parts, w, h), judged)
        before = before + _loss(h - w, judged)
    is_child = _children(xp.where(before > 0, after / before, xp.ones_like(before)), own)
    own = own * is_child[:, None]
    return tuple(Local(centre, unit, common, own, is_child, each) for each in fits)


def _children(left: Array, own: Array) -> Array:
    """Who is a child [dim], by the share of its loss that is `left`."""
    xp = array_namespace(own)
    left = xp.where((xp.sum(own, axis=1) > 0) & (left < GAIN), left, xp.ones_like(left))
    # Of two that may each be the other's driver, the one that is left with less is the child.
    is_child = xp.astype((left < 1) & (left < own @ left), own.dtype)
    # Nobody's driver has one: of a chain, the last link is left out.
    return is_child * (own @ is_child == 0)


def pairs(position: Array, gradient: Array, seen: Array) -> tuple[Array, Array]:
    """The driver of all [dim], and each coordinate's own [dim, dim], if one is evident.

    Coordinate i drives j if r_j = h_j - w_j goes with x_i w_j (the width of j depends on i) or with
    x_i^2 (its location does), for standardised w and h; all bounded, so that a few draws far out do
    not settle it.
    """
    xp = array_namespace(position)
    residual = gradient - position
    size = 1 + position**2 + residual**2
    no = eye(position)
    x = position / xp.sqrt(1 + position**2 / 4)
    found = xp.zeros_like(no)
    for of_child, of_driver in (
        (residual * position / size, x),
        (residual / xp.sqrt(size), x**2),
    ):
        a, b = (
            (each - mean(each, seen)) * xp.sqrt(seen)[:, None] for each in (of_child, of_driver)
        )
        a, b = (each / xp.sqrt(xp.sum(each**2, axis=0)) for each in (a, b))
        found = found + xp.sum(seen) * (xp.matrix_transpose(a) @ b) ** 2
    # [child, driver]; what never moved has no correlation.
    found = xp.where((no > 0) | ~xp.isfinite(found), xp.zeros_like(found), found)
    # What drives one child only is that child's own, and what is driven does not drive all.
    own, strength = _clearest(found)
    beside = xp.sum(found, axis=0) - xp.max(found, axis=0)
    driven = (strength > EVIDENT) & (strength > own @ strength)
    common = first_largest(xp.where(driven, -xp.ones_like(beside), beside))
    own, strength = _clearest(found * (1 - common))
    evident = xp.where(strength > EVIDENT, 1 - common, xp.zeros_like(common))
    return common, own * evident[:, None]


def _clearest(found: Array) -> tuple[Array, Array]:
    """The clearest driver of each coordinate [dim, dim], and how clear it is [dim]."""
    xp = array_namespace(found)
    own = xp.stack([first_largest(found[j, :]) for j in range(found.shape[0])])
    return own, xp.max(found, axis=1)


def _starts(common: Array, own: Array) -> Array:
    """Precisions to begin with, [start, 2, 3, dim]: flat, or one factor goes with drivers."""
    xp = array_namespace(own)
    flat = xp.stack([0 * own - 0.6931471805599453, 0 * own, 0 * own])
    starts = [xp.stack([flat, flat])]
    for of_common, of_own in ((0, 1), (0, -1), (1, 1), (-1, -1)):
        slopes = [of_common * EXPONENT * common + 0 * own, of_own * EXPONENT * own]
        starts.append(xp.stack([flat, xp.stack([flat[0, :], *slopes])]))
    return xp.stack(starts)


def _loss(residual: Array, judged: Array) -> Array:
    each = array_namespace(residual).log1p(residual**2)
    return mean(each, judged)
