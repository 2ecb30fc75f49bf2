"""Whether ranks are uniform."""

from collections.abc import Iterable

import numpy as np
from scipy.stats import kstest

GRID = np.linspace(0, 1, 101)


def joined(places: Iterable[dict[str, float]]) -> dict[str, np.ndarray]:
    """Of all replications by quantity."""
    found = list(places)
    return {name: np.array([one[name] for one in found]) for name in found[0]}


def p_values(places: dict[str, np.ndarray]) -> dict[str, float]:
    """Of Kolmogorov and Smirnov's test of each quantity."""
    return {name: float(kstest(values, "uniform").pvalue) for name, values in places.items()}


def band(replications: int, share: float = 0.95) -> float:
    """How far the empirical distribution function of uniform numbers strays at most, at a share."""
    uniform = np.random.default_rng(0).uniform(size=(2000, replications))
    below = (uniform[:, None, :] <= GRID[:, None]).mean(-1)
    return float(np.quantile(np.abs(below - GRID).max(1), share))
