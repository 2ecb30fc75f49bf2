"""A search of small targets in NumPy, for the tests here."""

import numpy as np

from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.mixture import in_use
from fhl_ppl.core.search import search
from fhl_ppl.core.search.bounds import Bounds, places_of
from fhl_ppl.core.search.descent import descend
from fhl_ppl.core.search.ends import DRAWS
from fhl_ppl.core.target import Plain
from tests.hills import Hills
from tests.targets import Gaussian

GAUSSIAN = Gaussian(
    [3.0, -1.0, 2.0], [[4.0, 1.0, 0.0], [1.0, 0.5, 0.1], [0.0, 0.1, 25.0]]
).potential_and_gradient
FAR = np.full(5, 4.0)
RIGHT, WRONG, OTHER = FAR, -FAR, np.array([4.0, -4.0, 4.0, -4.0, 4.0])
TWO = Hills((RIGHT, OTHER), (0.0, 3.0))
TOO_HIGH = Hills((RIGHT, WRONG), (0.0, 40.0))
"""The other valley weighs exp(-40), which no draw will see."""


def eggbox(q):
    """Of an eggbox on a square, as it is sampled: modes at its edges are in tails exp(-|q|)."""
    share = 1 / (1 + np.exp(-q))
    across, along = (5 * np.pi * share).T
    height = 2 + np.cos(across) * np.cos(along)
    slope = np.stack([np.sin(across) * np.cos(along), np.cos(across) * np.sin(along)], 1)
    slope = slope * (5 * height**4)[:, None] * 5 * np.pi * share * (1 - share)
    volume = (np.logaddexp(0, q) + np.logaddexp(0, -q)).sum(1)
    return volume - height**5, slope + 2 * share - 1


def searched(target, position, most=100, seed=0, turns=1, enough=None, radius=2.0):
    """All that a search finds."""
    rng = np.random.default_rng(seed)
    size, dim = places_of(len(position)), position.shape[1]
    bounds, places = Bounds(most, turns, most * size if enough is None else enough), turns * size
    noise = rng.standard_normal((DRAWS, places, dim))
    uniform = rng.uniform(1e-9, 1, (places, dim + DRAWS))
    with np.errstate(all="ignore"):
        return search(Plain(target), position, radius, noise, uniform, bounds, PYTHON)


def descended(target, begin, most=100):
    """From all places."""
    return descend(Plain(target), begin, np.ones(len(begin), bool), most, PYTHON)


def found(target, position, most=100, seed=0):
    """Starts, and evaluations in all."""
    return searched(target, position, most, seed)[:2]


def in_valley(starts, centre, width=1.0):
    return np.linalg.norm(starts - centre, axis=1) < 4 * width * np.sqrt(len(centre))


def beside(centre, number=4, seed=1):
    """Places from which one comes down to it."""
    return centre + 0.3 * np.random.default_rng(seed).standard_normal((number, len(centre)))


def known(all_found):
    """Centres of the modes that warm-up begins with."""
    return all_found.modes.centre[in_use(all_found.modes.log_weight)]
