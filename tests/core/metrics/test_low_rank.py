"""A low-rank metric is what its formula says, is found from few draws, and takes no dim^2."""

import numpy as np
import pytest

from fhl_ppl.core.learners.windows import slot_due
from fhl_ppl.core.metrics import draw_momentum, kinetic_energy, reported, velocity, weigh, whiten
from fhl_ppl.core.metrics import low_rank_fit as low_rank
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.metrics.low_rank import LowRankMetric, make_low_rank
from fhl_ppl.core.metrics.low_rank_fit import RANK, ROWS, from_positions, from_scores
from fhl_ppl.core.moments import tails, welford
from tests.plans import make_plan
from tests.runs import Run, leaves
from tests.targets import Gaussian

DIM = 120


def some_metric(dim=5, rank=2, seed=0):
    rng = np.random.default_rng(seed)
    directions = np.linalg.qr(rng.standard_normal((dim, rank)))[0]
    return LowRankMetric(10 ** rng.uniform(-2, 2, dim), directions, 10 ** rng.uniform(-2, 2, rank))


def matrices(metric):
    """M^-1, M and W, multiplied out."""
    eye = np.eye(len(metric.scale))
    return velocity(metric, eye), weigh(metric, eye), whiten(metric, eye).T


def assert_coherent(metric):
    inverse, mass, whitener = matrices(metric)
    scale, directions, variance = metric
    eye = np.eye(len(scale))
    bracket = eye + directions @ np.diag(variance - 1) @ directions.T
    np.testing.assert_allclose(inverse, np.diag(scale) @ bracket @ np.diag(scale), rtol=1e-10)
    np.testing.assert_allclose(inverse @ mass, eye, atol=1e-8)
    np.testing.assert_allclose(whitener.T @ whitener, mass, rtol=1e-8, atol=1e-8 * np.max(mass))
    # p = W' xi has covariance W' W = M, and its kinetic energy is that of the noise.
    noise = np.random.default_rng(1).standard_normal((7, len(scale)))
    momentum = draw_momentum(metric, noise)
    np.testing.assert_allclose(momentum, noise @ whitener, rtol=1e-8)
    energy = kinetic_energy(metric, momentum)
    np.testing.assert_allclose(energy, (noise**2).sum(axis=1) / 2, rtol=1e-8)


def test_the_products_of_a_low_rank_metric_agree():
    assert_coherent(some_metric())
    assert_coherent(make_low_rank(np.array([0.1, 1.0, 20.0]), 2))


def test_directions_that_are_not_orthonormal_are_noticed():
    metric = some_metric()
    with pytest.raises(AssertionError):
        assert_coherent(metric._replace(directions=1.01 * metric.directions))


def test_straightened_vectors_are_whitened_in_their_own_units(rng):
    metric = some_metric()
    vectors = rng.standard_normal((4, 5))
    whitened = whiten(metric, vectors)
    np.testing.assert_allclose(metric.straighten(vectors), metric.scale * whitened)
    # Gradients go the other way: g'q stays what it is.
    gradients = rng.standard_normal((4, 5))
    product = (metric.straighten_gradient(gradients) * metric.straighten(vectors)).sum(axis=1)
    np.testing.assert_allclose(product, (gradients * vectors).sum(axis=1))
    plain = make_low_rank(metric.scale**2, 2)
    np.testing.assert_allclose(plain.straighten(vectors), vectors)
    np.testing.assert_allclose(plain.straighten_gradient(vectors), vectors)


def test_what_users_are_told_is_small():
    diagonal = make_metric(np.ones(3))
    assert reported(diagonal) is diagonal.inverse_mass_matrix
    metric = some_metric()
    assert reported(metric) is metric


def spiked(dim=DIM, sd=30.0, spikes=3, seed=0):
    """Independent coordinates over two powers of ten, and a few wide directions across them."""
    rng = np.random.default_rng(seed)
    across = np.linalg.qr(rng.standard_normal((dim, spikes)))[0]
    scale = 10 ** rng.uniform(-1, 1, dim)
    inner = np.eye(dim) + (sd**2 - 1) * across @ across.T
    return Gaussian(rng.standard_normal(dim), inner * scale * scale[:, None])


def collect(target, rng, iterations, metric, particles=4, dtype=np.float64):
    """Samples of positions and of gradients, as warm-up collects them, of exact draws."""
    first = target.sample(rng, particles).astype(dtype)
    samples = [low_rank.empty(first), low_rank.empty(target.potential_and_gradient(first)[1])]
    slots = len(samples[0].rows)
    for k in range(iterations):
        position = target.sample(rng, particles).astype(dtype)
        gradient = target.potential_and_gradient(position)[1].astype(dtype)
        batches = (
            (position, metric.straighten(position)),
            (gradient, metric.straighten_gradient(gradient)),
        )
        samples = [
            low_rank.update(sample, *batch) for sample, batch in zip(samples, batches, strict=True)
        ]
        due, slot = slot_due(k, (iterations,), slots)
        if due:
            samples = [
                low_rank.keep(sample, batch[0], slot)
                for sample, batch in zip(samples, batches, strict=True)
            ]
    return samples


def learn(target, rng, windows=6, estimate=from_scores):
    metric, length = make_low_rank(np.ones(target.dim), min(RANK, target.dim)), 16
    for _ in range(windows):
        metric = estimate(*collect(target, rng, length, metric))
        length = int(1.6 * length)
    return metric


def spectrum(metric, target):
    """Variances of the target in the whitened space."""
    whitener = matrices(metric)[2]
    return np.linalg.eigvalsh(whitener @ target.covariance @ whitener.T)


def test_scores_find_a_few_wide_directions(rng):
    target = spiked()
    metric = learn(target, rng)
    assert np.sum(metric.variance != 1) == 3
    found = spectrum(metric, target)
    assert 0.9 < found[0] <= found[-1] < 1.1
    # What is left out by scales alone.
    inverse, precision = np.diag(target.covariance), np.diag(np.linalg.inv(target.covariance))
    alone = spectrum(make_low_rank(np.sqrt(inverse / precision), 1), target)
    assert alone[-1] / alone[0] > 100


def test_scores_find_a_few_narrow_directions(rng):
    wide = spiked(seed=1)
    target = Gaussian(np.zeros(DIM), np.linalg.inv(wide.covariance))
    found = spectrum(learn(target, rng), target)
    assert 0.9 < found[0] <= found[-1] < 1.1


def test_scales_that_take_in_the_wide_directions_are_noticed(rng, monkeypatch):
    # Without straightening, the scales stay those of the diagonal metric for ever.
    monkeypatch.setattr(LowRankMetric, "straighten", lambda _, vectors: vectors)
    monkeypatch.setattr(LowRankMetric, "straighten_gradient", lambda _, vectors: vectors)
    with pytest.raises(AssertionError):
        test_scores_find_a_few_wide_directions(rng)


def test_independent_coordinates_get_the_diagonal_metric(rng):
    scale = 10.0 ** np.linspace(-1, 3, DIM)
    target = Gaussian(np.zeros(DIM), np.diag(scale**2))
    for estimate in (from_scores, from_positions):
        metric = estimate(*collect(target, rng, 40, make_low_rank(np.ones(DIM), RANK)))
        np.testing.assert_array_equal(metric.variance, 1)
        np.testing.assert_array_equal(metric.directions, 0)
        exact = estimate is from_scores
        np.testing.assert_allclose(metric.scale, scale, rtol=1e-10 if exact else 0.25)


def test_positions_find_wide_directions_and_no_others(rng):
    target = spiked(sd=60.0, spikes=2)
    metric = learn(target, rng, estimate=from_positions)
    assert np.sum(metric.variance != 1) == 2
    assert metric.variance.min() >= 1
    plain = spectrum(make_low_rank(np.diag(target.covariance), 1), target)
    assert spectrum(metric, target)[-1] < plain[-1] / 4


@pytest.mark.parametrize("estimate", [from_scores, from_positions])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("iterations", [1, 2, 5, 60])
@pytest.mark.parametrize("particles", [1, 4, 70])
def test_estimates_are_safe_and_keep_their_type(estimate, dtype, iterations, particles, rng):
    if iterations == particles == 1:
        iterations = 2
    target = spiked(dim=40)
    start = make_low_rank(np.ones(40, dtype), RANK)
    samples = collect(target, rng, iterations, start, particles, dtype)
    assert samples[0].rows.shape[0] * samples[0].rows.shape[1] <= ROWS
    metric = estimate(*samples)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    for part in metric:
        assert part.dtype == dtype
        assert np.isfinite(part).all()
    used = metric.directions[:, metric.variance != 1]
    np.testing.assert_allclose(used.T @ used, np.eye(used.shape[1]), atol=tolerance)
    assert used.shape[1] * low_rank.ROWS_A_DIRECTION <= iterations * particles


def test_an_unused_coordinate_is_scaled_by_its_spread(rng):
    target = spiked()
    metric = make_low_rank(np.ones(DIM), RANK)
    for _ in range(4):
        positions, gradients = collect(target, rng, 60, metric)
        gradients.rows[..., 5] = gradients.scatter[5] = gradients.straight.scatter[5] = 0
        metric = from_scores(positions, gradients)
        np.testing.assert_array_equal(metric.directions[5], 0)
    spread = welford.covariance(positions)[5]
    np.testing.assert_allclose(metric.scale[5] ** 2, spread, rtol=1e-10)
    assert metric.variance.max() < 1e4


@pytest.mark.parametrize("broken", ["unmoved", "infinite"])
def test_what_leaves_nothing_to_go_by_shows_as_no_number(broken, rng):
    # Warm-up then keeps the metric that it has; an error would end the run.
    target = spiked(dim=30)
    samples = collect(target, rng, 20, make_low_rank(np.ones(30), RANK))
    for sample in samples:
        if broken == "unmoved":
            sample.rows[..., 3] = 0.5
            sample.scatter[3] = sample.straight.scatter[3] = 0
        else:
            sample.rows[1, 1, 3] = np.inf
    with np.errstate(divide="ignore", invalid="ignore"):
        metric = from_scores(*samples)
    assert not np.isfinite(metric.scale).all()


def test_particles_that_never_moved_do_no_harm():
    still = low_rank.empty(np.ones((4, 30)))
    with np.errstate(divide="ignore", invalid="ignore"):
        assert not np.isfinite(from_scores(still, still).scale).any()
        assert np.isfinite(from_positions(still, still).scale).all()


def test_the_widest_direction_is_one_that_the_metric_missed(rng):
    target = spiked(spikes=1)
    metric = make_low_rank(np.ones(DIM), RANK)
    positions, _ = collect(target, rng, 60, metric)
    values, vectors = np.linalg.eigh(target.covariance)
    new = make_low_rank(np.full(DIM, 4.0), RANK)
    direction, variance = low_rank.widest_direction(metric, 7 * vectors[:, -1], new, positions)
    np.testing.assert_allclose(abs(direction @ vectors[:, -1]), 1, rtol=1e-10)
    # Of 64 draws: its standard error is 18%.
    np.testing.assert_allclose(variance, values[-1] / 4, rtol=0.6)


def test_tails_of_a_gaussian_weigh_one(rng):
    target = spiked()
    metric = learn(target, rng)
    centre = target.mean + 0.3 * metric.scale
    positions, _ = collect(target, rng, 1000, metric)
    draws = target.sample(rng, 10_000)
    apart = tails.squared_distance(metric, centre, draws)
    distances = welford.update(welford.empty(apart, dense=False), apart)
    weight = tails.tail_weight(distances, metric, centre, positions)
    # The part along the shift is known from 64 rows.
    np.testing.assert_allclose(weight, 1, rtol=0.15)


def warm_up(target, plan, rng):
    """What is learnt, from flat starts."""
    position = rng.uniform(-2, 2, (4, target.dim))
    run = Run(plan, target.potential_and_gradient, position, rng, step_size=0.1)
    return run.go(plan.num_warmup).learnt


def test_a_warm_up_finds_the_directions_and_holds_nothing_of_size_dim_squared(rng):
    target = spiked(sd=10.0)
    plan = make_plan(250, dense=False, low_rank=True, estimate_metric=from_scores)
    learnt = warm_up(target, plan, rng)
    found = spectrum(learnt["metric"], target)
    assert 0.5 < found[0] <= found[-1] < 2
    assert max(map(np.size, leaves(learnt))) <= ROWS * DIM
    assert learnt["moments"].positions.count == 4 * (250 - plan.window_ends[-1])
    np.testing.assert_allclose(np.sum(learnt["fitted_gaussian"].direction ** 2), 1)


def test_a_metric_that_is_no_number_is_not_taken(rng):
    def nonsense(positions, gradients, draws):
        metric = from_scores(positions, gradients)
        return metric._replace(variance=np.nan * metric.variance)

    plan = make_plan(30, dense=False, low_rank=True, estimate_metric=nonsense)
    metric = warm_up(spiked(dim=20), plan, rng)["metric"]
    np.testing.assert_array_equal(metric.scale, 1)
    np.testing.assert_array_equal(metric.variance, 1)
