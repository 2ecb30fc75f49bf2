"""Which chart is found in draws: the one that straightens them, and none where none is needed."""

import numpy as np
import pytest
import torch

from fhl_ppl.core.charts import chart as charts
from fhl_ppl.core.charts import choice
from fhl_ppl.core.charts.rows import Rows
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.learners.archive import NoArchive
from fhl_ppl.core.learners.chart import ChartLearner
from fhl_ppl.core.state import State
from tests.core.charts.found import find, funnel


def test_the_funnel_is_straightened():
    rng = np.random.default_rng(2)
    chart, losses = find(*funnel(rng, 200))
    assert losses[2] < 0.01 * losses[0]
    np.testing.assert_allclose(chart.hierarchy.mixing[:, 0] != 0, np.arange(6) == 0)
    # Draws that it was not fitted to are about Gaussian in it: with the right width in the neck.
    position, _ = funnel(rng, 2000)
    y = charts.to_coordinates(chart, position)
    neck = position[:, 0] < -4
    np.testing.assert_allclose(np.std(y[neck, 1:], axis=0) / np.std(y[:, 1:], axis=0), 1, atol=0.15)


def test_a_chart_in_use_is_mended_until_little_is_left(monkeypatch):
    position, force = funnel(np.random.default_rng(2), 200)
    chart, _ = find(position, force)
    weights = chart.hierarchy.weights
    weights = weights._replace(precision=1.05 * weights.precision)
    own = chart._replace(hierarchy=chart.hierarchy._replace(weights=weights))
    losses = find(position, force, own=own)[1]
    assert choice.BETTER < losses[1] < choice.GOOD
    assert losses[2] < 0.1 * losses[1]
    monkeypatch.setattr(choice, "BETTER", choice.GOOD)
    assert find(position, force, own=own)[1][2] == losses[0]  # not tried


def test_cauchy_tails_are_straightened():
    rng = np.random.default_rng(4)
    x = rng.standard_cauchy(size=(300, 4))
    chart, losses = find(x, 2 * x / (1 + x**2))
    assert np.all(chart.tails.is_heavy == 1)
    assert losses[-3] < 0.5 * losses[0]


def test_a_logarithm_is_made_even():
    rng = np.random.default_rng(12)
    x = np.log(np.abs(rng.normal(size=(300, 3))))
    chart, losses = find(x, np.exp(2 * x) - 1)
    assert np.all(chart.skew.is_bent == 1)
    assert losses[-2] < 0.4 * losses[0]


def test_a_gaussian_is_left_alone():
    rng = np.random.default_rng(5)
    chol = np.linalg.cholesky(np.eye(4) + 0.8)
    x = rng.normal(size=(200, 4)) @ chol.T
    noise = 0.01 * rng.normal(size=x.shape)
    chart, _ = find(x, np.linalg.solve(chol @ chol.T, x.T).T + noise)
    assert not charts.is_moving(chart)


def logarithms_with_noise(dim):
    rng = np.random.default_rng(12)
    x = np.log(np.abs(rng.normal(size=(300, dim))))
    # Noise leaves some loss in any chart.
    return x, np.exp(2 * x) - 1 + 0.4 * rng.normal(size=x.shape)


@pytest.mark.parametrize("dim", [2, 3])
def test_in_few_dimensions_a_chart_has_to_leave_next_to_no_loss(dim, monkeypatch):
    noisy, exact = logarithms_with_noise(dim), funnel(np.random.default_rng(2), 200, dim)
    assert not charts.is_moving(find(*noisy)[0])
    assert charts.is_moving(find(*exact)[0])
    monkeypatch.setattr(choice, "FEW", 0)
    assert charts.is_moving(find(*noisy)[0])


def test_where_several_modes_are_known_a_chart_has_to_make_one_of_them():
    x, force = logarithms_with_noise(4)
    assert charts.is_moving(find(x, force)[0])
    assert not charts.is_moving(find(x, force, several=True)[0])
    assert charts.is_moving(find(*funnel(np.random.default_rng(2), 200), several=True)[0])


def test_or_a_hierarchy_that_explains_what_looked_like_modes():
    rng = np.random.default_rng(0)
    v, z = 3 * rng.normal(size=(200, 1)), rng.standard_t(3, size=(200, 5))
    score = 4 * z / (3 + z**2)
    of_v = v / 9 + 2.5 - np.sum(z * score, axis=1, keepdims=True) / 2
    x = np.concatenate([v, np.exp(v / 2) * z], axis=1)
    force = np.concatenate([of_v, np.exp(-v / 2) * score], axis=1)
    chart, losses = find(x, force, several=True)
    assert np.sum(chart.hierarchy.is_child) == 5
    # Its heavy tails keep it from being one mode.
    assert losses[2] > choice.ONE_MODE


@pytest.mark.parametrize("filled", [1, 4])
def test_no_chart_is_fitted_to_fewer_draws_than_settle_a_gaussian(filled):
    learner = ChartLearner((100,))
    x, force = funnel(np.random.default_rng(2), 40, dim=10)
    own = learner.start(State(x, x[:, 0], force), None)
    own = own._replace(
        positions=np.reshape(x, (4, 10, 10)),
        gradients=np.reshape(force, (4, 10, 10)),
        filled=1.0 * (np.arange(4) < filled),
    )
    with np.errstate(all="ignore"):
        after, _, _ = learner.fitted(own, NoArchive(), PYTHON)
    # 10 draws are fewer than two halves of as many as there are dimensions; 40 are more.
    assert np.any(after.losses != own.losses) == (filled == 4)
    assert not np.any(after.filled)


def test_the_fit_agrees_between_libraries():
    x, g = funnel(np.random.default_rng(6), 80)
    half = 1.0 * (np.arange(80) % 4 < 2)
    rows = Rows(x, g, np.stack([np.ones(80), half, 1 - half]))
    with np.errstate(all="ignore"):
        none = np.array(False)
        expected = choice.renew(charts.identity(x), rows, rows, none, PYTHON)[1]
    rows = Rows(*map(torch.as_tensor, rows))
    own = charts.identity(rows.position)
    none = torch.as_tensor(False)
    got = choice.renew(own, rows, rows, none, PYTHON)[1]
    np.testing.assert_allclose(got.numpy(), expected, rtol=0.05, atol=1e-3)
