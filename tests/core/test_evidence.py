"""Bridge sampling: the evidence, its error, and what each part has of it."""

import numpy as np

from fhl_ppl.core.evidence import bridge

DIM, DRAWS, RUNS = 10, 500, 100
TRUTH = DIM / 2 * np.log(2 * np.pi)


def in_one_part(of_draws, of_g):
    number = len(of_draws)
    return bridge(
        of_draws, of_g, np.ones((1, number)), np.ones((1, len(of_g))), np.array([float(number)])
    )


def log_ratio(q, scale, shift):
    """Of a standard normal without its constant to a G that is off by a scale and a shift."""
    log_g = -np.sum((q - shift) ** 2, axis=1) / (2 * scale**2) - DIM * np.log(scale) - TRUTH
    return -np.sum(q**2, axis=1) / 2 - log_g


def estimate(rng, scale, shift):
    draws, proposals = rng.standard_normal((2, DRAWS, DIM))
    return in_one_part(
        log_ratio(draws, scale, shift), log_ratio(shift + scale * proposals, scale, shift)
    )


def error_of(found):
    return np.hypot(found.error_of_draws, found.error_of_g)


def test_the_evidence_is_right_to_within_its_error():
    # Of 100 runs the mean has an error of .1 and the standard deviation one of .07: with these
    # bounds there is a false alarm in about 1000.
    for scale, shift in ((1.3, 0.2), (0.8, 0.1)):
        rng = np.random.default_rng(0)
        runs = [estimate(rng, scale, shift) for _ in range(RUNS)]
        z = np.array([(found.log_evidence - TRUTH) / error_of(found) for found in runs])
        assert abs(z.mean()) < 0.35
        assert 0.75 < z.std() < 1.3


def test_a_bridge_of_one_side_is_noticed():
    # Importance sampling from G as if its error were the bridge's.
    rng, z = np.random.default_rng(1), []
    for _ in range(RUNS):
        found = estimate(rng, 1.6, 0.3)
        q = 0.3 + 1.6 * rng.standard_normal((DRAWS, DIM))
        plain = np.log(np.mean(np.exp(log_ratio(q, 1.6, 0.3))))
        z.append((plain - TRUTH) / error_of(found))
    assert not 0.75 < np.std(z) < 1.35


def test_parts_are_weighed_by_their_density_and_not_by_the_draws(rng):
    # Two modes of weights .3 and .7; half of the draws are in each, and half of G.
    weights = np.array([0.3, 0.7])
    of_draws, of_g = (np.repeat(np.log(weights / 0.5), 1000) for _ in range(2))
    parts = np.repeat(np.eye(2), 1000, axis=1)
    found = bridge(of_draws, of_g, parts, parts, np.array([1000.0, 1000.0]))
    np.testing.assert_allclose(found.log_evidence, 0.0, atol=1e-9)
    np.testing.assert_allclose(found.share, weights, rtol=1e-9)
    # Without parts the draws decide, wrongly.
    assert abs(in_one_part(of_draws, of_g).log_evidence) > 0.02


def test_draws_that_are_infinitely_likely_count_as_outside_of_g(rng):
    of_draws, of_g = rng.normal(0.1, 0.3, 1000), rng.normal(-0.1, 0.3, 1000)
    of_draws[:5] = np.inf
    far = np.where(np.isinf(of_draws), 1e3, of_draws)
    found, expected = in_one_part(of_draws, of_g), in_one_part(far, of_g)
    np.testing.assert_allclose(found.log_evidence, expected.log_evidence, rtol=1e-9)


def test_overlap_tells_how_much_is_in_common(rng):
    overlap = [estimate(rng, 1.0, shift).overlap for shift in (0.0, 0.5, 3.0)]
    np.testing.assert_allclose(overlap[0], 1, atol=1e-9)
    assert 1 > overlap[1] > 0.1 > 1e-4 > overlap[2]


def test_far_apart_it_stays_finite(rng):
    found = in_one_part(rng.normal(1e4, 1, 100), rng.normal(-1e4, 1, 100))
    assert np.isfinite(found.log_evidence)
    assert found.overlap < 1e-6
