"""Charts to try maps with, an energy, and derivatives by differences."""

import numpy as np

from fhl_ppl.core.charts import chart as charts
from fhl_ppl.core.charts import hierarchy
from fhl_ppl.core.charts.chart import Chart
from fhl_ppl.core.charts.conditional import Conditional
from fhl_ppl.core.charts.local import Local
from fhl_ppl.core.charts.skew import Skew
from fhl_ppl.core.charts.tails import Tails

DIM = 5


def any_chart(seed=0):
    """A chart in which nothing is 0 that may differ from it."""
    rng = np.random.default_rng(seed)
    start = hierarchy.identity(np.zeros((1, DIM)))
    mixing = np.eye(DIM) + 0.3 * rng.normal(size=(DIM, DIM))
    weights = Conditional(*(part + 0.4 * rng.normal(size=part.shape) for part in start.weights))
    own = np.zeros((DIM, DIM))
    own[1, 3] = own[4, 2] = 1
    scales = Local(
        rng.normal(size=DIM),
        rng.uniform(0.5, 2, DIM),
        np.eye(DIM)[0],
        own,
        np.array([0.0, 1, 0, 0, 1]),
        Conditional(*(part + 0.05 * rng.normal(size=part.shape) for part in start.weights)),
    )
    return Chart(
        scales,
        start._replace(
            centre=rng.normal(size=DIM),
            mixing=mixing,
            unmixing=np.linalg.inv(mixing),
            log_volume=np.linalg.slogdet(mixing)[1],
            drivers=np.eye(DIM)[:2],
            is_child=np.array([0.0, 0, 1, 1, 1]),
            weights=weights,
        ),
        Tails(np.array([1.0, 0, 0, 1, 0]), rng.normal(size=DIM), rng.uniform(0.5, 2, DIM)),
        Skew(
            np.array([0.0, 1, 0, 1, 1]),
            0.3 * rng.normal(size=DIM),
            rng.uniform(0.7, 1.4, DIM),
            rng.uniform(-0.5, 0.5, DIM),
            rng.uniform(0.8, 1.2, DIM),
        ),
    )


CHARTS = {"identity": charts.identity(np.zeros((1, DIM))), "any": any_chart()}


def potential(x):
    return np.sum(np.sin(x) ** 2 + x**2 / 2, axis=-1)


def gradient(x):
    return np.sin(2 * x) + x


def slope(function, at, step=1e-6):
    """Derivatives of `function` by the last axis of `at` [row, dim], by central differences."""
    moves = step * np.eye(at.shape[1])
    columns = [(function(at + move) - function(at - move)) / (2 * step) for move in moves]
    return np.stack(columns, axis=-1)
