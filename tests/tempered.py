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


def exact_draws(rng, beta, particles):
    """Draws at each temperature, [temperature, particle, 1]."""
    precision = 1 + beta * (PRECISION - 1)
    mean = beta * PRECISION * CENTRE / precision
    noise = rng.standard_normal((particles, len(beta)))
    return (mean + noise / np.sqrt(precision)).T[..., None]
