"""Theorem 1: how far a Gaussian is from the same Gaussian with a spring, in Wasserstein-2.

N(x*, Sigma) times exp(-lambda |x - z|^2 / 2) is Gaussian again, so the distance has a closed form
(Gelbrich 1990). The bound as printed has lambda / (1 + lambda s) |z - x*|^2 for the shift of the
mean, s = ||Sigma||; it lacks a factor s, and fails where s is large.
"""

import numpy as np
from scipy.linalg import sqrtm

from benchmarks.paper.tables import Result, Table


def pulled(mean, covariance, strength, z):
    """Mean and covariance with the spring: [dim] and [dim, dim]."""
    precision = np.linalg.inv(covariance)
    new = np.linalg.inv(precision + strength * np.eye(len(mean)))
    return new @ (precision @ mean + strength * z), new


def w2_squared(mean, covariance, other_mean, other_covariance):
    """Squared Wasserstein-2 distance of two Gaussians."""
    root = sqrtm(covariance)
    cross = sqrtm(root @ other_covariance @ root).real
    return float(
        np.sum((mean - other_mean) ** 2) + np.trace(covariance + other_covariance - 2 * cross)
    )


def narrowing(size, strength, dim):
    """What both bounds add for the smaller covariance."""
    return dim * size * (1 - 1 / np.sqrt(1 + strength * size)) ** 2


def printed_bound(size, strength, distance, dim):
    """The paper's bound of the squared distance; `size` is the norm of Sigma."""
    shift = strength / (1 + strength * size) * distance**2
    return shift + narrowing(size, strength, dim)


def right_bound(size, strength, distance, dim):
    """The same with the shift of the mean as it is; exact where Sigma is a multiple of I."""
    shift = (strength * size / (1 + strength * size) * distance) ** 2
    return shift + narrowing(size, strength, dim)


def run(seeds: list[int], quick: bool) -> Result:
    """The counter-example, milder cases, and random Gaussians for which both bounds are tried."""
    rows = []
    for size, strength, distance in ((10, 0.1, 10), (10, 0.1, 1), (1, 1, 2), (0.1, 0.1, 10)):
        mean, covariance, z = np.zeros(1), np.array([[float(size)]]), np.array([float(distance)])
        exact = w2_squared(mean, covariance, *pulled(mean, covariance, strength, z))
        rows.append(
            {
                "Sigma": f"{size:g}",
                "lambda": f"{strength:g}",
                "abs(z - x*)": f"{distance:g}",
                "exact W2^2": f"{exact:.3g}",
                "bound as printed": f"{printed_bound(size, strength, distance, 1):.3g}",
                "bound with the right shift": f"{right_bound(size, strength, distance, 1):.3g}",
            }
        )
    broken = [violations(seed) for seed in seeds]
    shares = [
        {"bound": name, "share of 500 random Gaussians beyond it": [pair[k] for pair in broken]}
        for k, name in enumerate(("as printed", "with the right shift"))
    ]
    return Result(
        [
            Table("Theorem 1, one dimension", rows),
            Table("Theorem 1, two to five dimensions", shares),
        ],
        {},
    )


def violations(seed: int, tries: int = 500) -> tuple[float, float]:
    """Share of random Gaussians whose distance is beyond the printed and the right bound."""
    rng, count = np.random.default_rng(seed), np.zeros(2)
    for _ in range(tries):
        dim = rng.integers(2, 6)
        factor = rng.normal(size=(dim, dim)) * rng.uniform(0.3, 3)
        covariance = factor @ factor.T + 0.01 * np.eye(dim)
        mean, z, strength = np.zeros(dim), rng.normal(size=dim) * 3, rng.exponential()
        exact = w2_squared(mean, covariance, *pulled(mean, covariance, strength, z))
        size, distance = np.linalg.norm(covariance, 2), np.linalg.norm(z)
        bounds = [f(size, strength, distance, dim) for f in (printed_bound, right_bound)]
        count += exact > np.array(bounds) * (1 + 1e-6)
    return tuple(count / tries)
