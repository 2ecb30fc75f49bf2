"""The forms of a metric agree, and what warm-up fits is right."""

import numpy as np
import pytest

from fhl_ppl.core.metrics import dense_fit, draw_momentum, kinetic_energy, velocity, weigh, whiten
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.metrics.dense_fit import SHRINKAGE, from_positions, from_scores
from fhl_ppl.core.moments import welford
from tests.targets import Gaussian


def random_covariance(dim, seed, spread=2.0):
    """Scales over `spread` powers of ten, and strong correlations."""
    rng = np.random.default_rng(seed)
    scale = 10 ** rng.uniform(-spread / 2, spread / 2, dim)
    root = rng.standard_normal((dim, dim)) * scale[:, None]
    return root @ root.T + 1e-3 * np.diag(scale**2)


def dense(metric):
    return metric if metric.whitener.ndim == 2 else metric._make(map(np.diag, metric))


def assert_coherent(metric, rtol=1e-8):
    inverse, mass, whitener = dense(metric)
    dim = len(inverse)
    np.testing.assert_allclose(whitener.T @ whitener, mass, rtol=rtol, atol=rtol * np.max(mass))
    np.testing.assert_allclose(inverse, inverse.T, rtol=rtol, atol=rtol * np.max(inverse))
    np.testing.assert_allclose(whitener @ inverse @ whitener.T, np.eye(dim), atol=rtol)


@pytest.fixture(params=["diag", "dense"])
def metric(request):
    covariance = random_covariance(4, 0)
    return make_metric(covariance if request.param == "dense" else np.diag(covariance))


def test_the_forms_of_a_metric_agree(metric):
    assert_coherent(metric)
    with pytest.raises(AssertionError):
        assert_coherent(metric._replace(whitener=metric.whitener * 1.001))
    with pytest.raises(AssertionError):
        assert_coherent(metric._replace(mass_matrix=metric.inverse_mass_matrix))


def test_what_is_done_with_a_metric_agrees_with_linear_algebra(metric, rng):
    inverse, mass, whitener = dense(metric)
    vectors = rng.standard_normal((5, 4))
    for row, *got in zip(
        vectors,
        velocity(metric, vectors),
        weigh(metric, vectors),
        whiten(metric, vectors),
        draw_momentum(metric, vectors),
        kinetic_energy(metric, vectors),
        strict=True,
    ):
        wanted = (
            inverse @ row,
            mass @ row,
            whitener @ row,
            whitener.T @ row,
            row @ inverse @ row / 2,
        )
        for have, want in zip(got, wanted, strict=True):
            np.testing.assert_allclose(have, want, rtol=1e-9, atol=1e-9 * np.max(np.abs(want)))
    # p = W' xi has covariance W' W = M, and its kinetic energy is that of the noise.
    energy = kinetic_energy(metric, draw_momentum(metric, vectors))
    np.testing.assert_allclose(energy, (vectors**2).sum(axis=1) / 2, rtol=1e-9)


def moments_of(target, draws, is_dense=True):
    """Pooled moments of positions and of gradients."""
    _, gradients = target.potential_and_gradient(draws)
    empty = welford.empty(draws, is_dense)
    return welford.update(empty, draws), welford.update(empty, gradients)


def distance(metric, covariance):
    """Largest |log| of the variances, in the whitened space, of draws with this covariance."""
    whitener = dense(metric).whitener
    return np.max(np.abs(np.log(np.linalg.eigvalsh(whitener @ covariance @ whitener.T))))


@pytest.mark.parametrize("dim", [1, 2, 5, 20])
def test_scores_give_a_gaussian_metric_from_few_draws(dim, rng):
    target = Gaussian(rng.standard_normal(dim), random_covariance(dim, dim))
    draws = target.sample(rng, dim + 5)
    metric = from_scores(*moments_of(target, draws))
    assert_coherent(metric, rtol=1e-6)
    assert distance(metric, target.covariance) < 0.1
    # The covariance of the same draws is off by factors.
    if dim > 1:
        assert distance(make_metric(np.cov(draws.T)), target.covariance) > 0.5


def test_scores_give_a_gaussian_metric_from_draws_that_mix_badly(rng):
    # A slow walk that has seen a hundredth of the spread, far from the mean.
    target = Gaussian(np.zeros(5), random_covariance(5, 3))
    root = np.linalg.cholesky(target.covariance)
    draws = 3 * root[:, 0] + 0.01 * np.cumsum(rng.standard_normal((200, 5)), axis=0) @ root.T
    metric = from_scores(*moments_of(target, draws))
    assert distance(metric, target.covariance) < 0.1
    assert distance(from_positions(*moments_of(target, draws)), target.covariance) > 2


def test_the_exponent_of_the_geometric_mean_matters(rng):
    # Whitening by the scores alone (the inverse covariance of gradients) is right for a Gaussian
    # in the long run only; for few draws it is not.
    target = Gaussian(np.zeros(5), random_covariance(5, 3))
    positions, gradients = moments_of(target, target.sample(rng, 10))
    inverse = np.linalg.inv(welford.covariance(gradients))
    assert distance(make_metric(inverse), target.covariance) > 0.5
    assert distance(from_scores(positions, gradients), target.covariance) < 0.05


def test_scores_give_the_geometric_mean_of_matrices(rng):
    # A # B solves X B^-1 X = A: so X = C(q) # C(g)^-1 solves X C(g) X = C(q).
    positions = welford.Welford(np.array(1e9), np.zeros(4), 1e9 * random_covariance(4, 1, 0.5))
    gradients = welford.Welford(np.array(1e9), np.zeros(4), 1e9 * random_covariance(4, 2, 0.5))
    mean = from_scores(positions, gradients).inverse_mass_matrix
    spread, force = welford.covariance(positions), welford.covariance(gradients)
    np.testing.assert_allclose(mean @ force @ mean, spread, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("estimate", [from_positions, from_scores])
@pytest.mark.parametrize("is_dense", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [2, 4, 12, 300])
def test_estimates_are_safe_and_keep_their_type(estimate, is_dense, dtype, count, rng):
    target = Gaussian(np.zeros(10), random_covariance(10, 4, spread=3))
    draws = target.sample(rng, count).astype(dtype)
    positions, gradients = moments_of(target, draws, is_dense)
    metric = estimate(positions, gradients)
    for form in metric:
        assert form.dtype == dtype
        assert np.isfinite(form).all()
        assert form.shape == ((10, 10) if is_dense else (10,))
    assert_coherent(metric, rtol=1e-6 if dtype == np.float64 else 0.2)


def test_scores_do_not_depend_on_the_units(rng):
    target = Gaussian(np.zeros(6), random_covariance(6, 5))
    draws = target.sample(rng, 4)
    scale = 10.0 ** np.array([-4, 3, 0, 2, -1, 5])
    plain = from_scores(*moments_of(target, draws)).inverse_mass_matrix
    scaled = Gaussian(np.zeros(6), target.covariance * scale * scale[:, None])
    other = from_scores(*moments_of(scaled, draws * scale)).inverse_mass_matrix
    np.testing.assert_allclose(other / scale / scale[:, None], plain, rtol=1e-4, atol=1e-7)


def test_unexplored_directions_get_the_scale_of_the_diagonal(rng):
    # One particle that moved once along the first axis only, in a Gaussian with scales 1, 2, 3.
    scale = np.array([1.0, 2.0, 3.0])
    target = Gaussian(np.zeros(3), np.diag(scale**2))
    metric = from_scores(*moments_of(target, target.sample(rng, 2)))
    # In units of the scales, whatever is orthogonal to the one displacement is left alone.
    units = metric.inverse_mass_matrix / scale / scale[:, None]
    np.testing.assert_allclose(np.linalg.eigvalsh(units), 1, rtol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_few_long_steps_say_nothing_of_other_directions_in_any_precision(dtype, rng):
    sd = np.logspace(-1, 1, 100)
    steps = rng.standard_normal((25, 100)) * np.logspace(0.3, -1, 25)[:, None]
    moments = [
        welford.update(welford.empty(rows, dense=True), rows)
        for rows in ((steps * sd).astype(dtype), (steps / sd).astype(dtype))
    ]
    inverse = from_scores(*moments).inverse_mass_matrix.astype(float)
    spectrum = np.linalg.eigvalsh(inverse / sd[:, None] / sd)
    # By eigenvalues of the product of both, single precision had 43 in place of 1.
    np.testing.assert_allclose(spectrum, 1, rtol=0.02)


@pytest.mark.parametrize("is_dense", [False, True])
def test_an_unused_coordinate_is_scaled_by_its_spread(is_dense, rng):
    target = Gaussian(np.zeros(3), np.diag([1.0, 4.0, 9.0]))
    draws = target.sample(rng, 500)
    _, gradients = target.potential_and_gradient(draws)
    gradients[:, 1] = 0
    empty = welford.empty(draws, is_dense)
    positions = welford.update(empty, draws)
    metric = from_scores(positions, welford.update(empty, gradients))
    variances = np.diag(dense(metric).inverse_mass_matrix)
    np.testing.assert_allclose(variances, [1, draws[:, 1].var(ddof=1), 9], rtol=0.02)
    assert_coherent(metric, rtol=1e-6)


@pytest.mark.parametrize("is_dense", [False, True])
def test_a_coordinate_that_has_not_moved_shows_as_no_number(is_dense, rng):
    # Warm-up then keeps the metric that it has; an error would end the run.
    target = Gaussian(np.zeros(3), np.diag([1.0, 4.0, 9.0]))
    draws = target.sample(rng, 20)
    draws[:, 1] = 0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        metric = from_scores(*moments_of(target, draws, is_dense))
    assert not all(np.isfinite(form).all() for form in metric)


@pytest.mark.parametrize("estimate", [from_positions, from_scores])
def test_a_structure_mask_leaves_zeros_where_it_says(estimate, rng):
    target = Gaussian(np.zeros(4), random_covariance(4, 6))
    block = np.kron(np.eye(2), np.ones((2, 2))).astype(bool)
    positions, gradients = moments_of(target, target.sample(rng, 3))
    metric = estimate(positions, gradients, block)
    for form in metric:
        np.testing.assert_array_equal(form[~block], 0)
    assert_coherent(metric, rtol=1e-6)
    assert (np.abs(metric.inverse_mass_matrix[block]) > 0).all()


def test_scores_of_a_diagonal_are_ratios_of_scales(rng):
    target = Gaussian(np.zeros(3), np.diag([1e-4, 1.0, 1e4]))
    metric = from_scores(*moments_of(target, target.sample(rng, 5), is_dense=False))
    np.testing.assert_allclose(metric.inverse_mass_matrix, [1e-4, 1.0, 1e4], rtol=1e-10)


@pytest.mark.parametrize("independent", [None, 6.0, 40.0])
@pytest.mark.parametrize("count", [2, 10, 1000])
def test_positions_are_shrunk_towards_their_diagonal(count, independent, rng):
    draws = rng.standard_normal((count, 3)) @ rng.standard_normal((3, 3))
    positions = welford.update(welford.empty(draws, dense=True), draws)
    inverse = from_positions(positions, positions, draws=independent).inverse_mass_matrix
    covariance = np.cov(draws.T)
    expected = (count * np.diag(covariance) + 5e-3) / (count + 5)
    off = ~np.eye(3, dtype=bool)
    squares = np.sum((covariance**2 / np.outer(expected, expected))[off])
    real = max(0, 1 - 6 / (independent or count) / squares)
    weight = real * count / (count + SHRINKAGE * 3)
    np.testing.assert_allclose(inverse[off], weight * covariance[off], rtol=1e-10)
    np.testing.assert_allclose(np.diag(inverse), expected, rtol=1e-10)
    flat = welford.update(welford.empty(draws, dense=False), draws)
    np.testing.assert_allclose(from_positions(flat, flat).inverse_mass_matrix, expected, rtol=1e-10)


@pytest.mark.parametrize(("independent", "close"), [(25.0, True), (2000.0, False)])
def test_correlations_of_few_draws_are_not_believed(independent, close, rng):
    # 100 dimensions, 25 draws of which each is seen 80 times over: taken for 2000, most of the
    # spread of the eigenvalues is noise. The right ones are 1; with 25 the off-diagonals are left
    # out but for chance, and with noise they spread over a factor of hundreds (seeds 0 to 9: 3 to 5
    # and 280 to 380).
    draws = np.repeat(rng.standard_normal((25, 100)), 80, axis=0)
    positions = welford.update(welford.empty(draws, dense=True), draws)
    inverse = from_positions(positions, positions, draws=independent).inverse_mass_matrix
    values = np.linalg.eigvalsh(inverse)
    assert (values[-1] < 20 * values[0]) == close


def test_the_momentum_does_not_depend_on_the_signs_of_eigenvectors(rng, monkeypatch):
    target = Gaussian(np.zeros(4), random_covariance(4, 7))
    moments = moments_of(target, target.sample(rng, 30))
    plain = from_scores(*moments)
    eigh = np.linalg.eigh

    def flipped(matrix):
        values, vectors = eigh(matrix)
        return values, vectors * [-1, 1, -1, -1]

    monkeypatch.setattr(np.linalg, "eigh", flipped)
    for one, other in zip(plain, from_scores(*moments), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_the_mean_force_leads_from_the_mean_position_to_the_centre(rng):
    # A handful of draws on one side of a Gaussian.
    target = Gaussian([3.0, -1.0], [[2.0, 0.5], [0.5, 1.0]])
    draws = target.sample(rng, 8) + 2
    empty = welford.empty(draws, dense=True)
    positions = welford.update(empty, draws)
    gradients = welford.update(empty, target.potential_and_gradient(draws)[1])
    metric = make_metric(target.covariance)
    centre = dense_fit.centre_from_scores(metric, positions, gradients)
    np.testing.assert_allclose(centre, target.mean, rtol=1e-12)
    assert np.abs(positions.mean - target.mean).min() > 0.5


@pytest.mark.parametrize("is_dense", [True, False])
def test_the_widest_direction_is_that_of_the_whitened_positions(is_dense, rng):
    scale = np.array([1.0, 20.0, 3.0])
    moments = welford.update(
        welford.empty(np.ones((1, 3)), is_dense), scale * rng.standard_normal((5000, 3))
    )
    inverse = np.array([1.0, 400.0, 1.0])
    metric = make_metric(np.diag(inverse) if is_dense else inverse)
    direction, variance = dense_fit.widest_direction(metric, moments)
    np.testing.assert_allclose(np.abs(direction), [0, 0, 1], atol=0.02)
    np.testing.assert_allclose(np.sum(direction**2), 1, rtol=1e-12)
    np.testing.assert_allclose(variance, 9, rtol=0.1)


def test_of_equally_wide_directions_there_is_one():
    moments = welford.Welford(np.array(11.0), np.zeros(3), np.array([10.0, 20.0, 20.0]))
    direction, variance = dense_fit.widest_direction(make_metric(np.ones(3)), moments)
    np.testing.assert_array_equal(direction, [0, 1, 0])
    assert variance == 2
