"""Which chart to go on with: the identity, unless held-out draws speak clearly for another.

What is compared is how far the posterior is from the best Gaussian in the chart's coordinates, by
the Fisher divergence: that Gaussian is what the metric and the reference will be.
"""

from math import inf
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.charts import chart as charts
from fhl_ppl.core.charts import hierarchy, local_fit, skew, tails
from fhl_ppl.core.charts.chart import Chart
from fhl_ppl.core.charts.drivers import first_largest, scores
from fhl_ppl.core.charts.fit import fit
from fhl_ppl.core.charts.least_squares import select
from fhl_ppl.core.charts.rows import mean, moments
from fhl_ppl.core.control import Control
from fhl_ppl.core.metrics import dense_fit

Array = Any

CANDIDATES = 5 + 2 * hierarchy.DRIVERS
"""Charts that are tried at each renewal, the identity among them."""
GOOD = 0.05
"""A loss with which there is nothing left to gain: of the identity, and no chart is kept."""
MARGIN = 0.8
"""What a loss has to fall by for another chart."""
LOCAL_MARGIN = 0.85
"""MARGIN for local scales, each of whose children has been judged by itself. A horseshoe's first
came down to .81, while brownian_unknown_scales, which has none, was .89 in one."""
CLEAR = 0.5
"""And what it has to be below, or to fall by; local scales as long as windows have few draws.
While particles come down from their starts no chart fits, and one that is a little less bad has
misled later ones: logearn_interaction went from 250 effective draws for 1000 gradients to 140 where
a chart took .81 to .62 for one window."""
MANY = 0.9
"""Share of the rows that are filled by a window of many draws."""
ONE_MODE = 0.1
"""What a chart's loss has to be below where several modes are known: then it makes one of them.
Modes that are apart are not a chart's business: with one, phase_wrap came to rest in a wrong mode
in one seed of four, and was 5 errors off in two, R-hat 1.004."""
SLICES = 0.3
"""Above this loss, of modes laid on one another, they were none: the archive takes slices of a
hierarchy for such, and a chart with children may undo these. With ONE_MODE for it a horseshoe had
no chart, and in one seed stochastic volatility (.60), with a quarter of this loss asked for, 1.2
effective draws for 1000 gradients in place of 6.6."""
TAIL_MARGIN = 0.25
"""MARGIN for straightened tails: a tail that was not heavy is stiff then. Cauchy variables come
down to a tenth, and with it judged by a bent map of before they got none (ESS 2.8 in place of 70).
With 0.5 trunc_hier went to .47 of its loss, and from 9 effective draws for 1000
gradients to 2."""


def renew(
    previous: Chart,
    position: Array,
    gradient: Array,
    seen: Array,
    half: Array,
    within: tuple[Array, Array],
    several: Array,
    control: Control,
) -> tuple[Chart, Array]:
    """The best of the identity, the previous chart and new ones, and the losses of all.

    Parameters
    ----------
    previous
        What was fitted to earlier draws, so that these can judge it.
    position, gradient
        Draws and the gradients of U there, in the user's coordinates, shape [row, dim].
    seen
        Weight of each row, shape [row].
    half
        1 for rows of one half of the particles, 0 for those of the other, shape [row].
    within
        Positions and gradients in the coordinates of `previous`, modes laid on one another where
        some are known: what is no Gaussian for having several modes needs no chart.
    several
        Whether several modes are known.
    control
        Loops.

    Returns
    -------
    A chart, and the losses of the identity, of the previous chart, of hierarchies with 1, 2, ...
    drivers along the user's axes, of such along other axes, of local scales, and of the best so far
    with its tails straightened and with its coordinates bent, shape [CANDIDATES]. What was not
    tried has the loss that led to it.
    """
    xp = array_namespace(position)
    halves = seen * half, seen * (1 - half)
    unchanged = charts.identity(position)
    # Fitted to all rows, to one half, to the other.
    best = (unchanged, unchanged, unchanged)
    loss = held_out_loss(best[1:], position, gradient, halves)
    of_modes = _loss_of((within, within), halves)
    loss = xp.where(charts.is_moving(previous) | (loss < of_modes), loss, of_modes)
    no_drivers = xp.stack([0 * position[0, :]] * hierarchy.DRIVERS)
    no_bound = inf + 0 * loss
    enough = xp.where(several, ONE_MODE + 0 * loss, no_bound)
    with_children = xp.where(loss > SLICES, no_bound, enough)
    known = _Known(best, best, loss, loss, no_drivers, enough, with_children)
    losses = [loss]
    known = _better((previous,) * 3, known, position, gradient, halves, at_most=of_modes)
    losses.append(known.loss)
    identity_loss, none = losses[0], 0 * known.drivers
    order = xp.cumulative_sum(none[:, 0] + 1)
    tried = xp.stack([known.loss] * (2 * hierarchy.DRIVERS))

    def try_one(i: Any, value: tuple[_Known, Array]) -> tuple[_Known, Array]:
        known, tried = value
        i = 0 * order[0] + i
        turned = xp.astype(i >= hierarchy.DRIVERS, order.dtype)
        number = i + 1 - hierarchy.DRIVERS * turned
        begins = number == 1
        known = known._replace(
            loss=xp.where(begins, identity_loss, known.loss),
            latest=select(begins, (unchanged,) * 3, known.latest),
            drivers=xp.where(begins, none, known.drivers),
        )

        def with_drivers(known: _Known) -> _Known:
            row = _next_driver(known.latest[0], known.drivers, position, gradient, seen)
            drivers = xp.where(order[:, None] == number, row, known.drivers)
            fitted = fit(drivers, position, gradient, (seen, *halves), turned, control)
            latest = tuple(unchanged._replace(hierarchy=one) for one in fitted)
            return _better(latest, known._replace(drivers=drivers), position, gradient, halves)

        # One driver that is no good leaves little hope for two.
        worth_it = (known.lowest > GOOD) & ((known.loss < identity_loss) | begins)
        known = control.cond(worth_it, with_drivers, lambda same: same, known)
        place = xp.cumulative_sum(xp.ones_like(tried)) - 1
        return known, xp.where(place == i, known.loss, tried)

    known, tried = control.fori_loop(0, 2 * hierarchy.DRIVERS, try_one, (known, tried))

    def with_local(known: _Known) -> _Known:
        fitted = local_fit.fit(position, gradient, (seen, *halves), control)
        latest = tuple(unchanged._replace(local=one) for one in fitted)
        many = xp.mean(seen) > MANY
        clear = xp.where(many, LOCAL_MARGIN + 0 * known.loss, CLEAR + 0 * known.loss)
        return _better(latest, known, position, gradient, halves, LOCAL_MARGIN, clear)

    def with_tails(known: _Known) -> _Known:
        straight = []
        for one, rows in zip(known.best, (seen, *halves), strict=True):
            bare = one._replace(tails=unchanged.tails, skew=unchanged.skew)
            y = charts.to_coordinates(bare, position)
            g = charts.pull_back(bare, y, gradient)
            straight.append(bare._replace(tails=tails.fit(y, g, rows)))
        # A bent map of single coordinates is half a remedy for tails, and no reason to forgo them.
        before = xp.where(_has_children(known.best[0]), known.lowest, identity_loss)
        margin = TAIL_MARGIN * before / known.lowest
        margin = xp.where(margin < MARGIN, margin, MARGIN)
        return _better(tuple(straight), known, position, gradient, halves, margin)

    def with_skew(known: _Known) -> _Known:
        bare = [one._replace(skew=unchanged.skew) for one in known.best]
        y = [charts.to_coordinates(one, position) for one in bare]
        g = [charts.pull_back(one, at, gradient) for one, at in zip(bare, y, strict=True)]
        bent = skew.fit(tuple(y), tuple(g), (seen, *halves), control)
        latest = [one._replace(skew=each) for one, each in zip(bare, bent, strict=True)]
        return _better(tuple(latest), known, position, gradient, halves)

    last = []
    for attempt in (with_local, with_tails, with_skew):
        known = control.cond(known.lowest > GOOD, attempt, lambda same: same, known)
        last.append(known.loss)
    return known.best[0], xp.concat([xp.stack(losses), tried, xp.stack(last)])


class _Known(NamedTuple):
    """The best charts so far and the latest, each fitted to all rows and to the halves.

    A loss has to be below `enough`, of a chart with children below `with_children`.
    """

    best: tuple[Chart, Chart, Chart]
    latest: tuple[Chart, Chart, Chart]
    lowest: Array
    loss: Array
    drivers: Array
    enough: Array
    with_children: Array


def _better(
    new: Any,
    known: _Known,
    position: Array,
    gradient: Array,
    halves: tuple[Array, Array],
    margin: Array = MARGIN,
    clear: Array = CLEAR,
    at_most: Array = inf,
) -> _Known:
    """The new charts become the best if their loss is clearly the lowest."""
    xp = array_namespace(position)
    loss = held_out_loss(new[1:], position, gradient, halves)
    loss = xp.where(loss < at_most, loss, at_most)
    wins = (loss < margin * known.lowest) & (known.lowest > GOOD)
    wins = wins & ((loss < CLEAR) | (loss < clear * known.lowest))
    wins = wins & (loss < xp.where(_has_children(new[0]), known.with_children, known.enough))
    best, lowest = select(wins, (new, (loss,)), (known.best, (known.lowest,)))
    return known._replace(best=best, latest=new, lowest=lowest[0], loss=loss)


def _has_children(chart: Chart) -> Array:
    """Whether any coordinate has a driver."""
    return array_namespace(chart.local.is_child).any(
        chart.local.is_child + chart.hierarchy.is_child > 0
    )


def held_out_loss(
    candidates: tuple[Chart, ...], position: Array, gradient: Array, halves: tuple[Array, Array]
) -> Array:
    """Fisher divergence from the best Gaussian, of charts fitted on one half, on the other.

    log(1 + |r|^2 / dim), averaged, so that a few draws far out do not settle it.
    """
    moved = []
    for chart in candidates:
        y = charts.to_coordinates(chart, position)
        moved.append((y, charts.pull_back(chart, y, gradient)))
    return _loss_of(tuple(moved), halves)


def _loss_of(moved: tuple[tuple[Array, Array], ...], halves: tuple[Array, Array]) -> Array:
    """The same of positions and gradients in a chart, one pair for each half it is fitted on."""
    xp = array_namespace(halves[0])
    losses = []
    for (y, g), fitted, judged in zip(moved, halves, halves[::-1], strict=True):
        r = _gaussian_residual(y, g, fitted)
        each = xp.log1p(xp.mean(r**2, axis=1))
        losses.append(
            mean(xp.where(xp.isfinite(each), each, xp.full_like(each, 100.0))[:, None], judged)[0]
        )
    return (losses[0] + losses[1]) / 2


def _gaussian_residual(position: Array, gradient: Array, seen: Array) -> Array:
    white = dense_fit.from_scores(moments(position, seen), moments(gradient, seen))
    centre = mean(position, seen) - white.velocity(mean(gradient, seen)[None, :])[0, :]
    return white.whiten(white.velocity(gradient) - (position - centre))


def _next_driver(
    chart: Chart, drivers: Array, position: Array, gradient: Array, seen: Array
) -> Array:
    xp = array_namespace(position)
    y = charts.to_coordinates(chart, position)
    g = charts.pull_back(chart, y, gradient)
    white = dense_fit.from_scores(moments(y, seen), moments(g, seen))
    w = white.whiten(y - mean(y, seen))
    h = white.whiten(white.velocity(g - mean(g, seen)))
    candidates = position - mean(position, seen)
    candidates = candidates / xp.sqrt(mean(candidates**2, seen))
    found = scores(candidates, h - w, w, seen)
    taken = xp.sum(drivers, axis=0) > 0
    return first_largest(xp.where(taken | ~xp.isfinite(found), xp.full_like(found, -xp.inf), found))
