"""A path between Gaussians, on which all temperatures can be drawn from."""

import numpy as np

from fhl_ppl.core.target import Plain
from fhl_ppl.core.tempering.path import Path

CENTRE, PRECISION = 1.5, 9.0
"""Of the target, in one dimension; the reference is standard normal."""


def path():
    return Path(
        Plain(
            lambda q: (PRECISION * ((q - CENTRE) ** 2).sum(axis=1) / 2, PRECISION * (q - CENTRE))
        ),
        Plain(lambda q: ((q**2).sum(axis=1) / 2, q)),
    )


def evidence_of_two_signs():
    """log Z of the model `two_signs` of either adapter's tests at a size of 4, by quadrature."""
    x, error = np.meshgrid(np.linspace(-15, 15, 3001), np.linspace(5e-4, 4, 2000), indexing="ij")
    width = 0.2 + error
    log_density = (
        -(((x - 0.5) / 3) ** 2) / 2
        - np.log(3)
        + np.log(4)
        - 4 * error
        - ((4 - np.abs(x)) / width) ** 2 / 2
        - np.log(width)
        - np.log(2 * np.pi)
        - np.abs(x)
    )
    return np.log(np.exp(log_density).sum() * 0.01 * 0.002)


def exact_draws(rng, beta, particles):
    """Draws at each temperature, [temperature, particle, 1]."""
    precision = 1 + beta * (PRECISION - 1)
    mean = beta * PRECISION * CENTRE / precision
    noise = rng.standard_normal((particles, len(beta)))
    return (mean + noise / np.sqrt(precision)).T[..., None]
