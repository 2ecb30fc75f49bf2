"""How many independent draws positions are worth."""

import numpy as np
import pytest

from fhl_ppl.core.moments import welford
from fhl_ppl.core.moments.independent import difference, independent_draws


def worth(walk, dense=True):
    """Of positions [iteration, particle, dim]."""
    moments = welford.empty(walk[0], dense)
    apart = 0.0
    for position in walk:
        moments = welford.update(moments, position)
        apart = apart + difference(position)
    return independent_draws(apart, moments, walk.shape[1])


def autoregression(rng, memory, iterations, particles, dim):
    walk = rng.standard_normal((iterations, particles, dim))
    for k in range(1, iterations):
        walk[k] = memory * walk[k - 1] + np.sqrt(1 - memory**2) * walk[k]
    return walk


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_is_right_within_the_spread_of_its_chi_square(memory, dense, rng):
    # 200 dimensions: n comes with a relative error of (2 / 200)^(1/2) = .1; 5 of them, one false
    # alarm in a million.
    walk = autoregression(rng, memory, 400, 8, 200) * np.linspace(0.1, 10, 200)
    right = 400 * 8 * (1 - memory) / (1 + memory)
    assert abs(np.log(worth(walk, dense) / right)) < 0.5


def test_particles_that_stay_where_they_are_count_once(rng):
    walk = np.repeat(rng.standard_normal((1, 8, 200)), 50, axis=0)
    assert abs(np.log(worth(walk) / 8)) < 0.5


def test_is_never_more_than_the_positions_nor_less_than_one(rng):
    same = np.repeat(rng.standard_normal((30, 1, 3)), 4, axis=1)
    assert worth(same) == 30 * 4
    apart = np.repeat(np.array([[[0.0], [0.0], [1.0], [1.0]]]), 30, axis=0)
    assert 1 <= worth(apart) < 1.01
    assert worth(rng.standard_normal((30, 1, 3))) == 30
