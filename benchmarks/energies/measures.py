"""What is measured of images, beside the same of held-out ones: nothing that noise can flatter."""

import arviz as az
import numpy as np

NEIGHBOURS = 5
"""As in Naeem et al. 2020."""


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """[of one, of other]."""
    squares = (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T
    return np.sqrt(np.maximum(squares, 0))


def density_and_coverage(real: np.ndarray, fake: np.ndarray) -> tuple[float, float]:
    """How many balls of real images a fake one is in, over k; the share of balls with one in it.

    A ball reaches from a real image to its k-th neighbour. Exact draws have a density of 1, as many
    of them as there are real ones a coverage of 1 - 2^-k; copies of a good image have a density
    above 1 and cover little (Naeem et al. 2020).
    """
    radius = np.sort(distances(real, real), 1)[:, NEIGHBOURS]
    inside = distances(real, fake) < radius[:, None]
    return float(inside.sum(0).mean() / NEIGHBOURS), float(inside.any(1).mean())


def nearest(images: np.ndarray, training: np.ndarray) -> float:
    """Mean distance to the nearest training image: small where a model has learnt by heart."""
    return float(distances(images, training).min(1).mean())


def rhat(quantities: np.ndarray) -> float:
    """The largest R-hat of quantities [draw, chain, quantity], by ranks, chains split.

    What does not change and is not the same in all chains has none: infinite.
    """
    found = []
    for one in np.moveaxis(quantities, -1, 0):
        if np.ptp(one) == 0:
            continue
        value = float(az.rhat(one.T, method="rank"))
        found.append(value if np.isfinite(value) else np.inf)
    return max(found)
