"""Row i of everything belongs to particle i, whatever the target is.

A new target is one more entry of `TARGETS`, and of `CROSSED` a twin of it in which a row sees
another. Conditioning and tempering, with values for each particle, stand on it.
"""

from typing import NamedTuple

import numpy as np
import pytest

from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.iteration import Tuning, iterate
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.target import Plain, RandomForce, state_at
from tests.invariance.jumping import NAMES, make_fitted, make_modes, mixed, with_jumps
from tests.loops import draw
from tests.targets import TARGETS as DISTRIBUTIONS

PARTICLES = 7
DISTRIBUTION = DISTRIBUTIONS["skewed"]


class Own(NamedTuple):
    """What a target holds for each particle: its noise, and how far off its energy is."""

    noise: np.ndarray
    offset: np.ndarray

    def of(self, order):
        return Own(self.noise[order], self.offset[order])


def plain(own):
    """U and g, with an offset for each particle."""

    def potential_and_gradient(position):
        energy, gradient = DISTRIBUTION.potential_and_gradient(position)
        return energy + own.offset, gradient

    return Plain(potential_and_gradient)


def random_force(own):
    """The same with noise of its own in every evaluation, and another energy for the test."""

    def draw(position, number, known, is_start):
        energy, gradient = DISTRIBUTION.potential_and_gradient(position)
        energy = known if is_start else energy + own.offset
        return energy, gradient + np.sin(own.noise + number)

    def potential(position):
        return DISTRIBUTION.potential_and_gradient(position)[0] + own.offset

    return RandomForce(draw, potential)


def energy_and_force_in_one(own):
    """A random force whose u is the true energy."""
    return random_force(own)._replace(potential=None)


def crossed_plain(own):
    """The gradient has a little of all particles in it."""
    right = plain(own).potential_and_gradient

    def potential_and_gradient(position):
        energy, gradient = right(position)
        return energy, gradient + 1e-6 * position[0, :]

    return Plain(potential_and_gradient)


def crossed_random_force(own):
    """The noise of the particle beside it."""
    return random_force(own._replace(noise=np.sort(own.noise, axis=0)))


def crossed_energy(own):
    """The energies of the test are of a batch that all particles share."""
    right = random_force(own)
    return right._replace(potential=lambda q: right.potential(q) + 1e-6 * np.arange(PARTICLES))


TARGETS = {
    "plain": plain,
    "random force": random_force,
    "random force with energies": energy_and_force_in_one,
}
CROSSED = {
    "plain": crossed_plain,
    "random force": crossed_random_force,
    "energy": crossed_energy,
}


def assert_rows_are_of_particles(make):
    """Permuting the particles, and all that is theirs, permutes the results."""
    rng = np.random.default_rng(2)
    own = Own(rng.standard_normal((PARTICLES, 3)), rng.standard_normal(PARTICLES))
    position, known = DISTRIBUTION.sample(rng, PARTICLES), rng.standard_normal(PARTICLES)
    target = make(own)
    for order in (np.arange(PARTICLES)[::-1], rng.permutation(PARTICLES)):
        other = make(own.of(order))
        for number, is_start in ((0, True), (0, False), (3, False)):
            result = target.evaluate(position, number, known, is_start)
            permuted = other.evaluate(position[order], number, known[order], is_start)
            for one, two in zip(result, permuted, strict=True):
                np.testing.assert_array_equal(one[order], two)
            energy = target.energy(position, result[0])
            np.testing.assert_array_equal(energy[order], other.energy(position[order], permuted[0]))
            assert energy.shape == (PARTICLES,)
            assert result[1].shape == position.shape


@pytest.mark.parametrize("name", TARGETS)
def test_rows_are_of_particles(name):
    assert_rows_are_of_particles(TARGETS[name])


@pytest.mark.parametrize("name", CROSSED)
def test_a_row_that_sees_another_is_noticed(name):
    with pytest.raises(AssertionError, match="Arrays are not equal"):
        assert_rows_are_of_particles(CROSSED[name])


@pytest.mark.parametrize("iteration", [0, 1], ids=["jumps", "trajectory"])
@pytest.mark.parametrize("name", TARGETS)
def test_an_iteration_keeps_rows_apart(name, iteration, rng):
    # Within a group the order of the members is of no account but to ties.
    order = np.array([2, 0, 3, 1, 6, 4, 5])
    own = Own(rng.standard_normal((PARTICLES, 3)), rng.standard_normal(PARTICLES))
    position, draws = DISTRIBUTION.sample(rng, PARTICLES), draw(rng, PARTICLES, 3)
    groups = make_groups(PARTICLES, 4, like=position)
    fitted = make_fitted(DISTRIBUTION, "dense")

    def go(target, position, draws):
        tuning = Tuning(0.2, 3, 1.0, make_metric(np.ones(3)))
        homes = make_modes(DISTRIBUTION.mean, DISTRIBUTION.covariance)
        tuning = with_jumps(tuning, mixed(fitted, iteration, draws, homes))
        assert bool(tuning.jump.happens) == (iteration == 0)
        return iterate(
            state_at(target, position),
            draws,
            tuning,
            groups,
            COUPLINGS["alternate"],
            target,
            PYTHON,
            names=NAMES,
        )

    permuted_draws = type(draws)(*(None if part is None else part[order] for part in draws))
    one = go(TARGETS[name](own), position, draws)
    two = go(TARGETS[name](own.of(order)), position[order], permuted_draws)
    for result, permuted in zip((*one[0], *one[1]), (*two[0], *two[1]), strict=True):
        wanted = result if np.ndim(result) == 0 else result[order]
        np.testing.assert_allclose(permuted, wanted, rtol=1e-12, atol=1e-14)
