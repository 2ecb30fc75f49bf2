"""Runs with charts: what users are told, whether modes stay, and where there are none."""

import numpy as np
import pytest

from fhl_ppl.core.charts import chart as charts
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.learners.chart import for_users
from fhl_ppl.core.learners.learner import homes_of
from fhl_ppl.core.mixture import in_use
from fhl_ppl.options import CHARTS_FROM, CHARTS_LIMIT, Options
from tests.runs import Run


def run_on_the_funnel(**options):
    rng = np.random.default_rng(8)
    plan = Options(**options).plan(120, 6)

    def evaluate(q):
        v, x = q[:, :1], q[:, 1:]
        square = np.exp(-v) * np.sum(x**2, axis=1, keepdims=True) / 2
        slopes = [v / 9 + 2.5 - square, np.exp(-v) * x]
        return (v**2 / 18 + 2.5 * v + square)[:, 0], np.concatenate(slopes, axis=1)

    return Run(plan, evaluate, rng.normal(size=(8, 6)), rng).go(120), evaluate


def test_a_run_with_charts_tells_users_of_their_own_coordinates():
    run, evaluate = run_on_the_funnel(charts=True)
    assert charts.is_moving(run.learnt["chart"].chart)
    users = for_users(run.learnt, run.state, PYTHON)
    assert np.max(np.abs(users.position - run.state.position)) > 0.1
    energy, slopes = evaluate(users.position)
    np.testing.assert_allclose(users.potential_energy, energy, rtol=1e-8, atol=1e-8)
    there = charts.leave(run.learnt["chart"].chart, run.state)
    np.testing.assert_allclose(there.gradient, slopes, rtol=1e-6, atol=1e-8)


def test_without_charts_none_are_learnt():
    run, _ = run_on_the_funnel(charts=False)
    assert "chart" not in run.learnt
    assert for_users(run.learnt, run.state, PYTHON).position is run.state.position
    assert homes_of(run.learnt) is not None


def two_funnels(q):
    """Two funnels, 40 apart along x_1 and equally heavy: energies and gradients."""
    v, x = q[:, :1], q[:, 1:]
    shift = np.zeros(x.shape[1])
    shift[0] = 20
    parts, slopes = [], []
    for sign in (-1, 1):
        square = np.exp(-v) * np.sum((x - sign * shift) ** 2, axis=1, keepdims=True) / 2
        parts.append((v**2 / 2 + 2.5 * v + square)[:, 0])
        of_v = v + 2.5 - square
        slopes.append(np.concatenate([of_v, np.exp(-v) * (x - sign * shift)], axis=1))
    lowest = np.minimum(*parts)
    weights = [np.exp(lowest - part) for part in parts]
    total = weights[0] + weights[1]
    force = sum(w[:, None] * s for w, s in zip(weights, slopes, strict=True)) / total[:, None]
    return lowest - np.log(total), force


def test_a_chart_does_not_lose_modes():
    rng = np.random.default_rng(9)
    q = rng.normal(size=(8, 6))
    q[:, 1] += 20 * np.where(np.arange(8) < 2, 1, -1)
    run = Run(Options(charts=True).plan(300, 6), two_funnels, q, rng).go(300)
    homes = homes_of(run.learnt)
    centres = homes.mixture.centre[in_use(homes.mixture.log_weight)]
    users, _ = charts.to_position(run.learnt["chart"].chart, centres)
    assert np.any(users[:, 1] > 10)
    assert np.any(users[:, 1] < -10)


@pytest.mark.parametrize(
    "given",
    [
        {"charts": False},
        {"trusts_gradient": False},
        {"noisy_gradient": True},
        {"adapt_mass_matrix": False},
        {"dense_mass": False},
        {"dense_mass": "low_rank"},
    ],
)
def test_where_there_are_none(given):
    plan = Options(**{"charts": True, **given}).plan(120, 6)
    assert not plan.charts
    assert plan == Options(**{**given, "charts": False}).plan(120, 6)._replace(
        estimate_metric=plan.estimate_metric
    )


def test_there_are_none_in_few_dimensions_or_many():
    assert Options().plan(120, CHARTS_FROM).charts
    assert not Options().plan(120, CHARTS_FROM - 1).charts
    assert Options().plan(120, CHARTS_LIMIT).charts
    assert not Options().plan(120, CHARTS_LIMIT + 1).charts
