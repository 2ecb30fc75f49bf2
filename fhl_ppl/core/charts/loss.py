"""How far the posterior is from the best Gaussian in a chart's coordinates (section 11).

By the Fisher divergence: that Gaussian is what the metric and the reference will be.
"""

from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.charts import chart as charts
from fhl_ppl.core.charts.chart import Chart
from fhl_ppl.core.charts.rows import HALVES, Rows, exchanged, mean, moments
from fhl_ppl.core.control import Control
from fhl_ppl.core.metrics import dense_fit
from fhl_ppl.core.stacked import at

Array = Any


def held_out_loss(fits: Chart, rows: Rows, control: Control) -> Array:
    """Of charts fitted on one half of the particles, the loss on the other, a scalar.

    `fits` are stacked: to all rows, to one half, to the other.
    """

    def judge(given: tuple[Chart, Array, Array]) -> Array:
        chart, fitted, judged = given
        y = charts.to_coordinates(chart, rows.position)
        return _loss(y, charts.pull_back(chart, y, rows.gradient), fitted, judged)

    halves = at((fits, rows.weights), HALVES)
    return _average(control.map(judge, (*halves, exchanged(rows.weights))))


def loss_as_they_are(rows: Rows, control: Control) -> Array:
    """The same in the coordinates that the rows have."""

    def judge(given: tuple[Array, Array]) -> Array:
        return _loss(rows.position, rows.gradient, *given)

    return _average(control.map(judge, (rows.weights[1:, :], exchanged(rows.weights))))


def _average(halves: Array) -> Array:
    return array_namespace(halves).sum(halves) / 2


def _loss(position: Array, gradient: Array, fitted: Array, judged: Array) -> Array:
    """log(1 + |r|^2 / dim), averaged, so that a few draws far out do not settle it."""
    xp = array_namespace(position)
    r = _gaussian_residual(position, gradient, fitted)
    each = xp.log1p(xp.mean(r**2, axis=1))
    each = xp.where(xp.isfinite(each), each, xp.full_like(each, 100.0))
    return mean(each[:, None], judged)[0]


def _gaussian_residual(position: Array, gradient: Array, seen: Array) -> Array:
    white = dense_fit.from_scores(moments(position, seen), moments(gradient, seen))
    centre = mean(position, seen) - white.velocity(mean(gradient, seen)[None, :])[0, :]
    return white.whiten(white.velocity(gradient) - (position - centre))
