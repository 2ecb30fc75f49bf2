"""Charts that are tried at a renewal, one function each (section 11).

An attempt is given what is `Known` and returns it with an `Offer`: charts, and what their loss has
to be for them to be taken.
"""

from math import inf
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.charts import chart as charts
from fhl_ppl.core.charts import local_fit, skew, tails
from fhl_ppl.core.charts.chart import Chart
from fhl_ppl.core.charts.drivers import first_largest, scores
from fhl_ppl.core.charts.fit import fit
from fhl_ppl.core.charts.rows import Rows, mean, moments
from fhl_ppl.core.control import Control
from fhl_ppl.core.metrics import dense_fit
from fhl_ppl.core.stacked import stack

Array = Any

MARGIN = 0.8
"""What a loss has to fall by for another chart."""
CLEAR = 0.5
"""And what it has to be below, or to fall by; local scales as long as windows have few draws.
While particles come down from their starts no chart fits, and one that is a little less bad has
misled later ones: logearn_interaction went from 250 effective draws for 1000 gradients to 140 where
a chart took .81 to .62 for one window."""
LOCAL_MARGIN = 0.85
"""MARGIN for local scales, each of whose children has been judged by itself. A horseshoe's first
came down to .81, while brownian_unknown_scales, which has none, was .89 in one."""
MANY = 0.9
"""Share of the rows that are filled by a window of many draws."""
TAIL_MARGIN = 0.25
"""MARGIN for straightened tails: a tail that was not heavy is stiff then. Cauchy variables come
down to a tenth, and with it judged by a bent map of before they got none (ESS 2.8 in place of 70).
With 0.5 trunc_hier went to .47 of its loss, and from 9 effective draws for 1000
gradients to 2."""


class Known(NamedTuple):
    """What has been tried so far.

    Attributes
    ----------
    best
        The best charts so far, stacked: fitted to all rows, to one half, to the other.
    lowest
        Their loss.
    latest
        The latest, fitted to all rows.
    loss
        Its loss.
    drivers
        Of the latest hierarchy, shape [K, dim].
    without
        The loss without a chart.
    of_modes
        The same with modes laid on one another.
    several
        Whether several modes are known.
    """

    best: Chart
    lowest: Array
    latest: Chart
    loss: Array
    drivers: Array
    without: Array
    of_modes: Array
    several: Array


class Offer(NamedTuple):
    """Charts to choose, stacked as `Known.best`.

    Attributes
    ----------
    charts
        What is offered.
    margin
        Share of the lowest loss so far that theirs has to be below.
    clear
        Theirs has to be below CLEAR, or this share of the lowest so far.
    at_most
        Their loss is this at most, whatever the rows say.
    """

    charts: Chart
    margin: Array
    clear: Array
    at_most: Array


Tried = tuple[Known, Offer]


def offer(fits: Chart, like: Array, margin: Any = MARGIN, clear: Any = CLEAR) -> Offer:
    """Offer charts; `like` is a scalar."""
    return Offer(fits, margin + 0 * like, clear + 0 * like, inf + 0 * like)


def children_of_previous(own: Chart, known: Known, rows: Rows, control: Control) -> Tried:
    """The chart so far, `own`, as new ones begin: tails and bends are fitted to what is chosen."""
    return known, offer(stack([_bare(own, rows)] * 3), known.lowest)


def previous(own: Chart, known: Known, rows: Rows, control: Control) -> Tried:
    """The chart so far: fitted to earlier draws, so that these can judge it.

    It stays unless what was found is clearly better.
    """
    xp = array_namespace(known.lowest)
    found = charts.is_moving(known.best)
    margin = xp.where(found, 1 / MARGIN + 0 * known.lowest, MARGIN + 0 * known.lowest)
    clear = xp.where(found, margin, CLEAR + 0 * known.lowest)
    kept = offer(stack([own] * 3), known.lowest, margin, clear)
    return known, kept._replace(at_most=known.of_modes)


def with_drivers(number: Array, turned: Array, known: Known, rows: Rows, control: Control) -> Tried:
    """A hierarchy with this number of drivers; where `turned` is 1, its axes are looked for."""
    xp = array_namespace(rows.position)
    row = _next_driver(known.latest, known.drivers, rows)
    order = xp.cumulative_sum(xp.ones_like(known.drivers[:, 0]))
    drivers = xp.where(order[:, None] == number, row, known.drivers)
    fits = _no_charts(rows)._replace(hierarchy=fit(drivers, rows, turned, control))
    return known._replace(drivers=drivers), offer(fits, known.lowest)


def with_local_scales(known: Known, rows: Rows, control: Control) -> Tried:
    """Children that have a driver each."""
    xp = array_namespace(rows.position)
    fits = _no_charts(rows)._replace(local=local_fit.fit(rows, control))
    many = xp.mean(rows.weights[0, :]) > MANY
    none = 0 * known.lowest
    clear = xp.where(many, LOCAL_MARGIN + none, CLEAR + none)
    return known, offer(fits, known.lowest, LOCAL_MARGIN, clear)


def with_straight_tails(known: Known, rows: Rows, control: Control) -> Tried:
    """The best so far, with the weight taken out of heavy tails."""
    xp = array_namespace(rows.position)

    def straighten(given: tuple[Chart, Array]) -> Chart:
        chart, seen = given
        bare = _bare(chart, rows)
        y = charts.to_coordinates(bare, rows.position)
        return bare._replace(tails=tails.fit(y, charts.pull_back(bare, y, rows.gradient), seen))

    # A bent map of single coordinates is half a remedy for tails, and no reason to forgo them.
    before = xp.where(has_children(known.best), known.lowest, known.without)
    margin = TAIL_MARGIN * before / known.lowest
    margin = xp.where(margin < MARGIN, margin, MARGIN)
    fits = control.map(straighten, (known.best, rows.weights))
    return known, offer(fits, known.lowest, margin)


def with_bent_coordinates(known: Known, rows: Rows, control: Control) -> Tried:
    """The best so far, with lopsided coordinates made even."""
    unchanged = charts.identity(rows.position)
    bare = known.best._replace(skew=stack([unchanged.skew] * 3))

    def put(chart: Chart) -> tuple[Array, Array]:
        y = charts.to_coordinates(chart, rows.position)
        return y, charts.pull_back(chart, y, rows.gradient)

    y, g = control.map(put, bare)
    bent = skew.fit(Rows(y, g, rows.weights), control)
    return known, offer(bare._replace(skew=bent), known.lowest)


def has_children(chart: Chart) -> Array:
    """Whether any coordinate has a driver."""
    xp = array_namespace(chart.local.is_child)
    return xp.any(chart.local.is_child + chart.hierarchy.is_child > 0)


def _bare(chart: Chart, rows: Rows) -> Chart:
    """Without its tails and bends."""
    unchanged = charts.identity(rows.position)
    return chart._replace(tails=unchanged.tails, skew=unchanged.skew)


def _no_charts(rows: Rows) -> Chart:
    return stack([charts.identity(rows.position)] * 3)


def _next_driver(chart: Chart, drivers: Array, rows: Rows) -> Array:
    position, gradient, seen = rows.position, rows.gradient, rows.weights[0, :]
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
