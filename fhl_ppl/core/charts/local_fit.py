"""Which coordinates have a driver of their own, and their conditionals (section 11)."""

from typing import Any

from fhl_ppl.core.arrays import array_namespace, eye
from fhl_ppl.core.charts import conditional, hierarchy, least_squares, shift
from fhl_ppl.core.charts.conditional import Conditional
from fhl_ppl.core.charts.drivers import first_largest
from fhl_ppl.core.charts.local import Local, drivers
from fhl_ppl.core.charts.rows import HALVES, Rows, exchanged, gaussian, mean
from fhl_ppl.core.control import Control
from fhl_ppl.core.stacked import at, stack

Array = Any

EVIDENT = 16.0
"""A pair is looked at if its squared correlation times the draws is this much: 4 errors."""
GAIN = 0.9
"""What the loss of a child has to fall by, in held-out draws."""
ALONE = 0.7
"""GAIN for a child whose driver lies elsewhere than the others do. With .9 a horseshoe's chart
was spoilt by one or two (loss .74 in place of .64 in its window of 429 iterations)."""
ALIGNED = 2.0
"""Weight of what the pairs of a shift say together. A horseshoe's charts in windows of 261, 429 and
849 iterations had losses of 1.79, .92 and .71 without, .94, .64 and .40 with it."""


def fit(rows: Rows, control: Control) -> Local:
    """Maps fitted to the rows by each of their weights, stacked: all, one half, the other.

    The drivers are found in all; a child stays one if what is fitted to a half of the rows does the
    other good.
    """
    position, gradient, weights = rows
    xp = array_namespace(position)
    seen = weights[0, :]
    centre, unit = gaussian(position, gradient, seen)
    w, h = (position - centre) / unit, gradient * unit
    own = own_drivers(w, h, seen, 0 * centre)
    plain = hierarchy.no_weights(0 * centre, 2)
    nobody = Local(centre, unit, 0 * centre, own, 0 * centre, plain)

    def conditionals(local: Local, weights: Array) -> Conditional:
        starts = _starts(unit @ local.common, local.own @ unit)
        return least_squares.fit_from_starts(
            starts,
            starts.shape[0],
            # What draws do not settle stays as scales are, also where no draw has been.
            lambda start: plain._replace(precision=start),
            drivers(local, position),
            w,
            h,
            weights,
            control,
            _free(plain),
        )

    def with_drivers(local: Local) -> Local:
        # What drives all is seen once the own drivers have done their part.
        given = drivers(local, position)
        parts = conditional.evaluate(at(conditionals(local, weights[:1, :]), 0), given)
        y = (w - parts.location) / parts.scale
        left = least_squares.residual(parts, w, h)
        share = mean(xp.log1p(left**2), seen) / mean(xp.log1p((h - w) ** 2), seen)
        is_child = _children(share, local.own)
        found = associations(left, y, w, seen) * is_child[:, None]
        beside = xp.sum(found, axis=0) - xp.max(found, axis=0)
        common = first_largest(beside)
        local = local._replace(common=common, own=own_drivers(w, h, seen, common))
        fits = conditionals(local, weights)
        given = drivers(local, position)

        def judge(fitted_and_judged: tuple[Conditional, Array]) -> Array:
            fitted, judged = fitted_and_judged
            left = least_squares.residual(conditional.evaluate(fitted, given), w, h)
            return xp.stack([mean(xp.log1p(r**2), judged) for r in (left, h - w)])

        losses = control.map(judge, (at(fits, HALVES), exchanged(weights)))
        after, before = xp.sum(losses[:, 0, :], axis=0), xp.sum(losses[:, 1, :], axis=0)
        is_child = _children(after / before, local.own)
        local = local._replace(is_child=is_child, own=local.own * is_child[:, None])
        return stack([local] * weights.shape[0])._replace(weights=fits)

    return control.cond(
        xp.any(own > 0), with_drivers, lambda same: stack([same] * weights.shape[0]), nobody
    )


def _free(weights: Conditional) -> Conditional:
    """1 for what is fitted: one factor is flat, the other's width goes with the drivers.

    That is a product of two parameters (the prior of z_j is flat), and a centred local scale (the
    data are); and it is right where no draw has been. With slopes for all, german_sparse had 181
    divergences and an R-hat of 1.07.
    """
    level = weights.near * 0
    xp = array_namespace(level)
    first = xp.cumulative_sum(xp.ones_like(level), axis=1) == 1
    second = xp.cumulative_sum(xp.ones_like(level), axis=0) == 2
    levels = xp.astype(first, level.dtype)
    return Conditional(xp.astype(first | second, level.dtype), levels, levels, 0 * weights.bend)


def _children(left: Array, own: Array) -> Array:
    """Who is a child [dim], by the share of its loss that is `left`."""
    xp = array_namespace(own)
    left = xp.where((xp.sum(own, axis=1) > 0) & (left < GAIN), left, xp.ones_like(left))
    # Of two that may each be the other's driver, the one that is left with less is the child.
    is_child = xp.astype((left < 1) & (left < own @ left), own.dtype)
    is_child = is_child * xp.astype((left < ALONE) | ~shift.is_alone(is_child, own), own.dtype)
    # Nobody's driver has one: of a chain, the last link is left out.
    return is_child * (own @ is_child == 0)


def own_drivers(position: Array, gradient: Array, seen: Array, common: Array) -> Array:
    """Row j has 1 at the coordinate that goes most with j, if it evidently does, [dim, dim].

    What it says by itself counts, and what others say that lie as far apart.

    `position` and `gradient` are standardised one by one. `common` [dim] is 1 for what has no part
    in it.
    """
    xp = array_namespace(position)
    found = associations(gradient - position, position, position, seen)
    found = found * (1 - common) * (1 - common)[:, None]
    found = found + ALIGNED * shift.shared(found) * (found > 0)
    own = xp.stack([first_largest(found[j, :]) for j in range(found.shape[0])])
    return own * xp.astype(xp.max(found, axis=1) > EVIDENT, seen.dtype)[:, None]


def associations(residual: Array, child: Array, driver: Array, seen: Array) -> Array:
    """How evidently coordinate i drives j: squared correlations times the draws, [j, i].

    It does if r_j = h_j - w_j goes with x_i w_j (the width of j depends on i) or with x_i^2 (its
    location does); all bounded, so that a few draws far out do not settle it.
    """
    xp = array_namespace(residual)
    size = 1 + child**2 + residual**2
    x = driver / xp.sqrt(1 + driver**2 / 4)
    found = xp.zeros_like(eye(driver))
    for of_child, of_driver in (
        (residual * child / size, x),
        (residual / xp.sqrt(size), x**2),
    ):
        a, b = (
            (each - mean(each, seen)) * xp.sqrt(seen)[:, None] for each in (of_child, of_driver)
        )
        a, b = (each / xp.sqrt(xp.sum(each**2, axis=0)) for each in (a, b))
        found = found + xp.sum(seen) * (xp.matrix_transpose(a) @ b) ** 2
    # What never moved has no correlation.
    return xp.where((eye(driver) > 0) | ~xp.isfinite(found), xp.zeros_like(found), found)


def _starts(common: Array, own: Array) -> Array:
    """Precisions to begin with, [start, 2, 3, dim]: flat, or one factor goes with drivers."""
    xp = array_namespace(own)
    flat = xp.stack([0 * own - 0.6931471805599453, 0 * own, 0 * own])
    starts = [xp.stack([flat, flat])]
    for of_common, of_own in ((0, 1), (0, -1), (1, 1), (-1, -1)):
        slopes = [
            of_common * least_squares.EXPONENT * common + 0 * own,
            of_own * least_squares.EXPONENT * own,
        ]
        starts.append(xp.stack([flat, xp.stack([flat[0, :], *slopes])]))
    return xp.stack(starts)
