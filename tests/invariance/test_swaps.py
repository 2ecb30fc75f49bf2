"""Exact draws at all temperatures stay exact under swaps, and near misses are caught.

Target and reference are Gaussians, so that all between are, and can be drawn from.
"""

import numpy as np
import pytest
from scipy.stats import norm

from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.stacked import stack
from fhl_ppl.core.tempering import step as tempering
from fhl_ppl.core.tempering.ladder import start as start_ladder
from fhl_ppl.core.tempering.swap import decide, swapped
from tests.loops import draw
from tests.plans import make_sampler
from tests.tempered import CENTRE, exact_draws, path

TEMPERATURES = 4
PARTICLES = 20_000
FALSE_ALARM_RATE = 1e-4
"""Probability that a correct library fails one of these tests, were its seeds drawn anew."""
BETA = start_ladder(TEMPERATURES, np.zeros(1)).beta


def energies_of(position):
    return path().parts(position.reshape(-1, position.shape[-1]))


def worst(before, after):
    """Largest |z| of the change of a moment at a temperature, and its bound.

    Replicas of a particle are one unit: swaps tie them together.
    """
    changes = [after - before, after**2 - before**2, after**3 - before**3]
    changes.append(np.abs(after - CENTRE) - np.abs(before - CENTRE))
    z = [np.sqrt(PARTICLES) * change.mean(axis=1) / change.std(axis=1) for change in changes]
    return np.abs(z).max(), norm.isf(FALSE_ALARM_RATE / np.size(z) / 2)


def after_swaps(seed, beta=BETA, tension=lambda parts: parts.tension):
    rng = np.random.default_rng(seed)
    before = position = exact_draws(rng, BETA, PARTICLES)
    for iteration in range(2):
        v = tension(energies_of(position)).reshape(position.shape[:2])
        uniform = rng.random((TEMPERATURES - 1, PARTICLES))
        swaps = decide(beta, v, uniform, iteration)
        assert swaps.happens.mean() > 0.05, "nothing moved, so nothing was tested"
        position = swapped(swaps.happens, position)
    return before[..., 0], position[..., 0]


def test_exact_draws_stay_exact():
    largest, bound = worst(*after_swaps(0))
    assert largest < bound


@pytest.mark.parametrize(
    "broken",
    [
        {"tension": lambda parts: -parts.tension},
        {"tension": lambda parts: parts.energy},
        {"beta": BETA**2},
    ],
    ids=["the wrong way round", "the reference left out", "other temperatures"],
)
def test_a_near_miss_is_caught(broken):
    largest, bound = worst(*after_swaps(1, **broken))
    assert largest > bound


def after_steps(seed, step=tempering.step):
    rng = np.random.default_rng(seed)
    sampler = make_sampler(
        0, num_steps=2, adapt_step_size=False, jumps=(), pulling_strength=0.0, estimate_centre=None
    )
    before = exact_draws(rng, BETA, PARTICLES)
    replicas = tempering.start(sampler, before, np.float64(0.5), np.eye(1), path(), PYTHON)
    groups = make_groups(PARTICLES, 4, before)
    for iteration in range(2):
        draws = stack([draw(rng, PARTICLES, 1) for _ in range(TEMPERATURES)])
        uniform = rng.random((TEMPERATURES - 1, PARTICLES))
        replicas, _ = step(sampler, groups, replicas, iteration, draws, uniform, path(), PYTHON)
    return before[..., 0], replicas.particles.position[..., 0]


def test_exact_draws_stay_exact_under_whole_iterations():
    largest, bound = worst(*after_steps(2))
    assert largest < bound


def test_energies_that_stay_behind_are_caught():
    def stale(sampler, groups, replicas, *arguments):
        after, told = tempering.step(sampler, groups, replicas, *arguments)
        particles = after.particles
        return after._replace(
            particles=particles._replace(
                potential_energy=np.roll(particles.potential_energy, 1, axis=0)
            )
        ), told

    largest, bound = worst(*after_steps(3, stale))
    assert largest > bound
