"""The correction of every move is what makes it reversible, by two numerical checks.

Both know nothing of the move but what it offers. The one works out the ratio of the densities of
the way there and the way back: the noise that leads back is searched for, and the volume of
(q, noise) -> (q', noise that leads back) taken by differences. It is for moves that draw with
normal noise alone; one with uniform numbers of its own may sum over what it draws with them. The
other, for all, draws q from a density, and compares how often a pair (q, q') comes in either order.
In both the partners are anywhere: what rests need not be in equilibrium.
"""

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.stats import norm

from fhl_ppl.core.couplings.alternate import choose_scouts
from fhl_ppl.core.groups import Groups, make_groups
from fhl_ppl.core.leader import find_leader
from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.moves.move import Scene
from tests.core.moves.scenes import TURN, normal
from tests.invariance.exact_draws import make_runs
from tests.invariance.jumping import make_fitted, make_modes, mutants
from tests.invariance.mutants.broken import Broken
from tests.loops import draw
from tests.targets import TARGETS

TARGET = TARGETS["skewed"]
FITTED = make_fitted(TARGET, "dense")
MODES = make_modes(TARGET.mean, TARGET.covariance)


def make_scene(groups: Groups, position, draws):
    """What a move sees of particles with energies of their own."""
    energy = TARGET.potential_and_gradient(position)[0]
    is_scout = choose_scouts(groups, draws.role)
    return Scene(
        groups,
        position,
        energy,
        is_scout,
        find_leader(groups, position, energy, is_scout),
        draws.role,
        draws.noise,
        draws.extra,
        np.asarray(TURN),
        FITTED,
        normal(FITTED.metric, draws.noise),
        MODES,
    )


# The ratio of the densities.


class Follower(NamedTuple):
    """One follower among others who rest."""

    move: Any
    groups: Groups
    position: np.ndarray
    draws: Any
    number: int

    def offer(self, place, noise):
        """Where it would go from a place with some noise, and the correction."""
        mine = np.arange(len(self.position)) == self.number
        position = np.where(mine[:, None], place, self.position)
        draws = self.draws._replace(noise=np.where(mine[:, None], noise, self.draws.noise))
        offer = self.move.offer(make_scene(self.groups, position, draws))
        return offer.position[self.number], offer.log_correction[self.number]

    def way_back(self, place, noise, sign):
        """The noise that leads from what is offered back to the place, and how far off it leads."""
        reached, _ = self.offer(place, noise)
        # The search may go far.
        with np.errstate(over="ignore"):
            found = least_squares(
                lambda other: self.offer(reached, other)[0] - place,
                sign * noise,
                method="lm",
                xtol=1e-15,
                ftol=1e-15,
                gtol=1e-15,
            )
        return found.x, np.abs(found.fun).max()

    def log_density_ratio(self, place, noise):
        """log of the density of the way back over that of the way there."""
        sign = min((1, -1), key=lambda sign: self.way_back(place, noise, sign)[1])
        back, off = self.way_back(place, noise, sign)
        assert off < 1e-9, "there is no way back"

        def there_and_back(both):
            start, using = both.reshape(2, -1)
            return np.concatenate(
                [self.offer(start, using)[0], self.way_back(start, using, sign)[0]]
            )

        both, step = np.concatenate([place, noise]), 1e-4
        columns = [
            (there_and_back(both + shift) - there_and_back(both - shift)) / (2 * step)
            for shift in step * np.eye(len(both))
        ]
        _, log_volume = np.linalg.slogdet(np.stack(columns, axis=1))
        return norm.logpdf(back).sum() - norm.logpdf(noise).sum() + log_volume


def assert_corrected_by_the_ratio(move):
    rng = np.random.default_rng(5)
    groups = make_groups(5, 5, like=np.zeros(1))
    for _ in range(4):
        position, draws = TARGET.sample(rng, 5), draw(rng, 5, 3)
        number = int(np.argmax(draws.role))
        follower = Follower(move, groups, position, draws, number)
        place, noise = position[number], draws.noise[number]
        ratio = follower.log_density_ratio(place, noise)
        np.testing.assert_allclose(follower.offer(place, noise)[1], ratio, rtol=1e-5, atol=1e-5)


WITHOUT_UNIFORMS = [name for name, move in JUMPS.items() if move.uniforms == 0]


@pytest.mark.parametrize("name", WITHOUT_UNIFORMS)
def test_the_correction_is_the_ratio_of_the_densities(name):
    assert_corrected_by_the_ratio(JUMPS[name])


# Pairs.

NUM_GROUPS = 30_000
FALSE_ALARM_RATE = 1e-3


def features(position):
    """What pairs are told apart by, shape [particle, feature]."""
    x = (position - TARGET.mean) / np.sqrt(np.diag(TARGET.covariance))
    # Far out they are all alike, so that no few pairs weigh most.
    x = np.tanh(x / 2)
    return np.concatenate([np.ones_like(x[:, :1]), x, x**2], axis=1)


NUM_PAIRS = len(list(combinations(range(7), 2)))
Z_THRESHOLD = float(norm.isf(FALSE_ALARM_RATE / (NUM_PAIRS * len(JUMPS)) / 2))


def worst_z(move):
    """|z| of the mean of a (f(q) g(q') - f(q') g(q)) over followers, for all pairs of features.

    a is the probability that q' is accepted. The followers are drawn from the density of the
    target, the scouts from somewhere else.
    """
    rng = np.random.default_rng(11)
    groups = make_runs("8", NUM_GROUPS)
    draws = draw(rng, len(groups.group), 3)
    is_scout = choose_scouts(groups, draws.role)
    elsewhere = 0.5 + 1.5 * rng.standard_normal(draws.noise.shape)
    position = np.where(is_scout[:, None], elsewhere, TARGET.sample(rng, len(groups.group)))
    scene = make_scene(groups, position, draws)
    with np.errstate(all="ignore"):
        offer = move.offer(scene)
        gain = scene.potential_energy - TARGET.potential_and_gradient(offer.position)[0]
        log_ratio = gain + offer.log_correction
        accept_prob = np.where(np.isfinite(log_ratio), np.exp(np.minimum(log_ratio, 0)), 0)
    assert accept_prob[~is_scout].mean() > 0.005, "nothing moved, so nothing was tested"
    old, new = features(position), features(offer.position)
    z = []
    for f, g in combinations(range(old.shape[1]), 2):
        change = accept_prob * (old[:, f] * new[:, g] - new[:, f] * old[:, g])
        of_group = np.bincount(groups.group, np.where(is_scout, 0, change))
        z.append(of_group.sum() / np.sqrt(np.sum(of_group**2) + np.finfo(float).tiny))
    return np.abs(z).max()


@pytest.mark.parametrize("name", JUMPS)
def test_pairs_come_as_often_in_either_order(name):
    assert worst_z(JUMPS[name]) < Z_THRESHOLD


def tilted(move, scene):
    """The correction is that for another density, by a little."""
    offer = move.offer(scene)
    tilt = 0.2 * (offer.position[:, 1] - scene.position[:, 1])
    return offer._replace(log_correction=offer.log_correction + tilt)


@pytest.mark.parametrize("name", JUMPS)
def test_a_correction_that_is_a_little_off_is_caught(name):
    broken = Broken(JUMPS[name], tilted)
    assert worst_z(broken) > Z_THRESHOLD
    if name in WITHOUT_UNIFORMS:
        with pytest.raises(AssertionError, match="Not equal to tolerance"):
            assert_corrected_by_the_ratio(broken)


@pytest.mark.parametrize("name", JUMPS)
def test_a_broken_twin_is_caught(name):
    assert any(
        worst_z(Broken(JUMPS[name], offers)) > Z_THRESHOLD for offers in mutants(name).values()
    )
