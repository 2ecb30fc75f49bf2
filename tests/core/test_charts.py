"""Charts: each map is undone by its inverse, has the volume of its Jacobian, and is found."""

import numpy as np
import pytest
import torch

from fhl_ppl.core.charts import change, choice, hierarchy, local_fit
from fhl_ppl.core.charts import chart as charts
from fhl_ppl.core.charts.chart import Chart
from fhl_ppl.core.charts.conditional import Conditional
from fhl_ppl.core.charts.local import Local
from fhl_ppl.core.charts.rows import Rows, gaussian
from fhl_ppl.core.charts.skew import Skew
from fhl_ppl.core.charts.tails import Tails
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.learners import chart as chart_learner
from fhl_ppl.core.learners.chart import ChartLearner, for_users
from fhl_ppl.core.learners.learner import homes_of
from fhl_ppl.core.mixture import in_use
from fhl_ppl.core.state import State
from fhl_ppl.options import CHARTS_FROM, CHARTS_LIMIT, Options
from tests.runs import Run

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


@pytest.fixture
def coordinates():
    return np.random.default_rng(1).normal(size=(4, DIM))


@pytest.mark.parametrize("name", CHARTS)
def test_inverse(name, coordinates):
    position, _ = charts.to_position(CHARTS[name], coordinates)
    np.testing.assert_allclose(
        charts.to_coordinates(CHARTS[name], position), coordinates, rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("name", CHARTS)
def test_volume(name, coordinates):
    jacobian = slope(lambda y: charts.to_position(CHARTS[name], y)[0], coordinates)
    expected = np.linalg.slogdet(jacobian)[1]
    log_volume = charts.to_position(CHARTS[name], coordinates)[1]
    np.testing.assert_allclose(log_volume, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", CHARTS)
def test_gradient(name, coordinates):
    chart = CHARTS[name]

    def energy(y):
        position, log_volume = charts.to_position(chart, y)
        return potential(position) - log_volume

    position, _ = charts.to_position(chart, coordinates)
    pulled = charts.pull_back(chart, coordinates, gradient(position))
    np.testing.assert_allclose(pulled, slope(energy, coordinates), rtol=1e-5, atol=1e-6)
    pushed = charts.push_forward(chart, coordinates, pulled)
    np.testing.assert_allclose(pushed, gradient(position), rtol=1e-9, atol=1e-9)


def test_a_state_comes_back_without_the_model(coordinates):
    state = State(coordinates, potential(coordinates), gradient(coordinates))
    back = charts.leave(CHARTS["any"], charts.enter(CHARTS["any"], state))
    for got, expected in zip(back, state, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-8)


def funnel(rng, size, dim=6):
    """Exact draws of Neal's funnel with their gradients."""
    v = 3 * rng.normal(size=(size, 1))
    x = np.exp(v / 2) * rng.normal(size=(size, dim - 1))
    of_v = v / 9 + (dim - 1) / 2 - np.exp(-v) * np.sum(x**2, axis=1, keepdims=True) / 2
    return np.concatenate([v, x], axis=1), np.concatenate([of_v, np.exp(-v) * x], axis=1)


def find(position, force, several=False, own=None):
    half = 1.0 * (np.arange(len(position)) % 4 < 2)
    rows = Rows(position, force, np.stack([np.ones(len(position)), half, 1 - half]))
    with np.errstate(all="ignore"):
        return choice.renew(
            charts.identity(position) if own is None else own,
            rows,
            rows,
            np.array(several),
            PYTHON,
        )


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
    x = rng.standard_cauchy(size=(300, 3))
    chart, losses = find(x, 2 * x / (1 + x**2))
    assert np.all(chart.tails.is_heavy == 1)
    assert losses[-2] < 0.5 * losses[0]


def products(rng, size, pairs=6):
    """Draws and gradients where z_j N(0, 1) is seen through a scale: 1 = z_j s_j + .5 noise.

    s_j = exp(lambda_j + tau), as in a horseshoe; z_j is what is left given the scales.
    """

    def conditional(lam, tau):
        s = torch.exp(lam + tau)
        return s / (s**2 + 0.25), (0.25 / (s**2 + 0.25)) ** 0.5

    tau, lam = (torch.as_tensor(rng.normal(size=(size, k))) for k in (1, pairs))
    mean, sd = conditional(lam, tau)
    z = mean + sd * torch.as_tensor(rng.normal(size=(size, pairs)))
    x = torch.cat([lam, tau, z], dim=1).requires_grad_()
    mean, sd = conditional(x[:, :pairs], x[:, pairs : pairs + 1])
    energy = torch.sum(((x[:, pairs + 1 :] - mean) / sd) ** 2 / 2 + torch.log(sd))
    energy = energy + torch.sum(x[:, : pairs + 1] ** 2) / 2
    energy.backward()
    return x.detach().numpy(), x.grad.numpy()


def test_local_scales_are_found():
    rng = np.random.default_rng(11)
    chart, losses = find(*products(rng, 300))
    np.testing.assert_array_equal(chart.local.is_child, np.arange(13) > 6)
    np.testing.assert_array_equal(np.argmax(chart.local.own[7:], axis=1), np.arange(6))
    assert chart.local.common[6] == 1
    assert losses[-3] < 0.1 * losses[0]
    # Draws that it was not fitted to are standard normal in it.
    x, _ = products(rng, 2000)
    y = charts.to_coordinates(chart, x)
    np.testing.assert_allclose(np.std(y[:, 7:], axis=0), 1, atol=0.15)


def pairs_found(rows):
    """Of 6 pairs, lambda_j for z_j, how many are found in the mean of 20 samples."""
    found = []
    for seed in range(20):
        x, gradient = products(np.random.default_rng(seed), rows)
        seen, common = np.ones(rows), np.eye(13)[6]
        centre, unit = gaussian(x, gradient, seen)
        own = local_fit.own_drivers((x - centre) / unit, gradient * unit, seen, common)
        found.append(np.trace(own[7:]))
    return np.mean(found)


def test_pairs_as_far_apart_as_others_are_found_from_few_draws(monkeypatch):
    assert pairs_found(100) > 5
    # Each by itself.
    monkeypatch.setattr(local_fit.shift, "shared", np.zeros_like)
    assert pairs_found(100) < 3


def test_links_are_those_that_the_map_has(coordinates):
    """Where x_j in the chart goes with x_i: by differences of the map's width and place."""
    one = CHARTS["identity"]._replace(local=CHARTS["any"].local)
    matrix = slope(lambda y: charts.to_position(one, y)[0], coordinates)
    goes = np.any(np.abs(matrix) > 1e-9, axis=0) & ~np.eye(DIM, dtype=bool)
    np.testing.assert_array_equal(charts.links(one) > 0, goes)
    assert not np.any(charts.links(CHARTS["identity"]))
    drivers = charts.links(find(*funnel(np.random.default_rng(2), 200))[0])
    np.testing.assert_array_equal(drivers, [[0] * 6] + [[1] + [0] * 5] * 5)


def test_a_logarithm_is_made_even():
    rng = np.random.default_rng(12)
    x = np.log(np.abs(rng.normal(size=(300, 3))))
    chart, losses = find(x, np.exp(2 * x) - 1)
    assert np.all(chart.skew.is_bent == 1)
    assert losses[-1] < 0.4 * losses[0]


def test_where_several_modes_are_known_a_chart_has_to_make_one_of_them():
    rng = np.random.default_rng(12)
    x = np.log(np.abs(rng.normal(size=(300, 3))))
    # Noise leaves some loss in any chart.
    force = np.exp(2 * x) - 1 + 0.4 * rng.normal(size=x.shape)
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
        after, _, _ = learner.fitted(own, None, PYTHON)
    # 10 draws are fewer than two halves of as many as there are dimensions; 40 are more.
    assert np.any(after.losses != own.losses) == (filled == 4)
    assert not np.any(after.filled)


def test_a_gaussian_is_left_alone():
    rng = np.random.default_rng(5)
    chol = np.linalg.cholesky(np.eye(4) + 0.8)
    x = rng.normal(size=(200, 4)) @ chol.T
    noise = 0.01 * rng.normal(size=x.shape)
    chart, _ = find(x, np.linalg.solve(chol @ chol.T, x.T).T + noise)
    assert not charts.is_moving(chart)


def test_slopes_are_those_of_the_change(coordinates):
    old, new = CHARTS["any"], any_chart(3)
    state = State(coordinates, potential(coordinates), gradient(coordinates))
    near = change.slopes(old, new, state, change.moved(old, new, state), PYTHON)
    matrix = slope(lambda y: charts.to_coordinates(new, charts.to_position(old, y)[0]), coordinates)
    np.testing.assert_allclose(near.matrix, matrix, rtol=1e-5, atol=1e-5 * np.max(abs(matrix)))
    # Four maps one after another span many powers of e: rounding came to 7e-8.
    both = near.matrix @ near.back
    scale = np.max(abs(near.matrix), axis=(1, 2)) * np.max(abs(near.back), axis=(1, 2))
    np.testing.assert_allclose((both - np.eye(DIM)) / scale[:, None, None], 0, atol=1e-6)


@pytest.mark.parametrize("library", ["jax", "torch"])
def test_libraries_agree(library, coordinates):
    jnp = pytest.importorskip("jax.numpy")
    convert = {"jax": jnp.asarray, "torch": torch.as_tensor}[library]

    def moved(values):
        if isinstance(values, tuple):
            return type(values)(*map(moved, values))
        return convert(values)

    state = State(coordinates, potential(coordinates), gradient(coordinates))
    expected = charts.enter(CHARTS["any"], state)
    got = charts.enter(moved(CHARTS["any"]), moved(state))
    tolerance = 1e-4 if library == "jax" else 1e-12
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(np.asarray(one), other, rtol=tolerance, atol=tolerance)


def test_the_fit_agrees_between_libraries():
    x, g = funnel(np.random.default_rng(6), 80)
    half = 1.0 * (np.arange(80) % 4 < 2)
    rows = Rows(x, g, np.stack([np.ones(80), half, 1 - half]))
    with np.errstate(all="ignore"):
        expected = choice.renew(charts.identity(x), rows, rows, np.array(False), PYTHON)[1]
    rows = Rows(*map(torch.as_tensor, rows))
    own = charts.identity(rows.position)
    got = choice.renew(own, rows, rows, torch.as_tensor(False), PYTHON)[1]
    np.testing.assert_allclose(got.numpy(), expected, rtol=0.05, atol=1e-3)


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
    np.testing.assert_allclose(users.gradient, slopes, rtol=1e-6, atol=1e-8)


def test_without_charts_none_are_learnt():
    run, _ = run_on_the_funnel(charts=False)
    assert "chart" not in run.learnt
    assert for_users(run.learnt, run.state, PYTHON) is run.state
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


@pytest.mark.parametrize("spoilt", ["position", "potential_energy", "gradient"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_has_no_numbers_is_put_where_the_best_is(spoilt, value):
    position = np.arange(8.0).reshape(4, 2)
    state = State(position, np.array([3.0, 1.0, -5.0, 2.0]), 2 * position)
    # The lowest energy does not count where something else is no number.
    part = getattr(state, spoilt).copy()
    part[2, ...] = value
    found = chart_learner._with_numbers(state._replace(**{spoilt: part}))
    for got, before in zip(found, state, strict=True):
        np.testing.assert_array_equal(got, before[[0, 1, 1, 3]])
    for got, before in zip(chart_learner._with_numbers(state), state, strict=True):
        np.testing.assert_array_equal(got, before)


def houses(q):
    """A hierarchy of 10 groups that is not centred: U and its gradient at [particle, 13]."""
    rng = np.random.default_rng(4)
    y = (1.4 + 0.35 * rng.standard_normal((10, 1)) + 0.75 * rng.standard_normal((10, 12))).ravel()
    y, group = torch.as_tensor(y, dtype=torch.float32), torch.arange(10).repeat_interleave(12)
    at = torch.as_tensor(q).requires_grad_()
    mean, log_spread, log_noise, offset = at[:, :1], at[:, 1:2], at[:, 2:3], at[:, 3:]
    left = (y - mean - log_spread.exp() * offset[:, group]) * (-log_noise).exp()
    scales = torch.log1p((2 * at[:, 1:3]).exp()) - at[:, 1:3]
    prior = mean[:, 0] ** 2 / 50 + scales.sum(1) + (offset**2).sum(1) / 2
    energy = prior + len(y) * log_noise[:, 0] + (left**2).sum(1) / 2
    (gradient,) = torch.autograd.grad(energy.sum(), at)
    return energy.detach().numpy(), gradient.numpy()


def run_with_strays(strays):
    """16 particles in single precision, of which so many start where the model says nothing."""
    rng = np.random.default_rng(2)
    position = 0.3 * rng.standard_normal((16, 13))
    position[16 - strays :, :3] = 29.0, 28.0, 34.0
    position[16 - strays :, 3:] = 20 * rng.standard_normal((strays, 10))
    plan = Options().plan(200, 13)
    return Run(plan, houses, position.astype(np.float32), rng).go(200)


@pytest.mark.parametrize("strays", [3, 15])
def test_strays_are_brought_in_with_a_new_chart(strays):
    energy = run_with_strays(strays).state.potential_energy
    assert np.ptp(energy) < 40, energy


def test_strays_that_are_left_where_they_are_stay_there(monkeypatch):
    """Break it on purpose."""
    monkeypatch.setattr(chart_learner, "without_strays", lambda state: state)
    assert np.ptp(run_with_strays(3).state.potential_energy) > 1000
