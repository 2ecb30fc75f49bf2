"""Both couplings leave the target invariant, whatever the force; near misses of them do not."""

from itertools import combinations

import numpy as np
import pytest

from fhl_ppl.core import iteration as iteration_module
from fhl_ppl.core.couplings import Alternate, Joint
from fhl_ppl.core.couplings.roles import Roles
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.iteration import iterate
from fhl_ppl.core.leader import find_leader, pull_rate
from fhl_ppl.core.metrics import velocity, weigh
from fhl_ppl.core.target import Plain
from fhl_ppl.core.trajectory.leapfrog import PhasePoint
from tests.invariance.exact_draws import (
    GRID,
    GROUPINGS,
    Case,
    assert_caught,
    assert_invariant,
    marked,
    run,
    tile,
    z_threshold,
)

NUM_GROUPS = 100_000
"""Groups in each case."""
Z_THRESHOLD = z_threshold(len(GRID))
"""5.4"""


def pairs_of(case):
    return set(combinations(enumerate(case), 2))


def pairwise_cover(grid):
    """Few cells of the grid in which any two settings still meet, found greedily.

    Of equally good cells the last counts: those with a pull and a skewed target.
    """
    missing = set().union(*map(pairs_of, grid))
    cover = []
    while missing:
        best = max(reversed(grid), key=lambda case: len(pairs_of(case) & missing))
        cover.append(best)
        missing -= pairs_of(best)
    return cover


COVER = pairwise_cover(GRID)


@pytest.mark.parametrize(("seed", "case"), marked(GRID, COVER.__contains__))
def test_exact_draws_stay_exact(seed, case):
    assert_invariant(run(case, NUM_GROUPS, seed), Z_THRESHOLD)


class EachAlone(Joint):
    """Joint, but every particle is tested alone."""

    def log_accept_ratio(self, groups, energy_change, draws):
        return -energy_change, draws.accept


class ElasticInTest(Joint):
    """Joint, but the elastic energy rho |q - q_leader|^2 / 2 is in the test."""

    def roles(self, groups, state, draws):
        self.elastic = []
        return super().roles(groups, state, draws)

    def pull(self, groups, roles, pulling_strength, position, potential_energy):
        leader = find_leader(groups, position, potential_energy, roles.is_pulled)
        rate = pull_rate(pulling_strength, potential_energy, leader)
        self.elastic.append(rate * np.sum((position - leader.position) ** 2, axis=1) / 2)
        return super().pull(groups, roles, pulling_strength, position, potential_energy)

    def log_accept_ratio(self, groups, energy_change, draws):
        change = energy_change + self.elastic[-1] - self.elastic[0]
        return super().log_accept_ratio(groups, change, draws)


class MovingLeader(Alternate):
    """Alternate, but the best of all leads as it stood at the start, and moves itself."""

    def roles(self, groups, state, draws):
        anyone = draws.role >= 0
        leader = find_leader(groups, state.position, state.potential_energy, anyone)
        return Roles(leader, anyone)


class BestAreScouts(Alternate):
    """Alternate, but the scouts are the better half, not a random one."""

    def roles(self, groups, state, draws):
        return super().roles(groups, state, draws._replace(role=state.potential_energy))


class NoisyChoice(Joint):
    """Joint, but who leads, and how hard, is told by energies with fresh noise at every kick."""

    def roles(self, groups, state, draws):
        self.rng = np.random.default_rng(int(draws.role[0] * 2**32))
        return super().roles(groups, state, draws)

    def pull(self, groups, roles, pulling_strength, position, potential_energy):
        noise = self.rng.standard_normal(len(position))
        return super().pull(groups, roles, pulling_strength, position, potential_energy + noise)


def unadjusted(*args, adjusted):
    """Everything is accepted."""
    return iterate(*args, adjusted=False)


def without_kinetic_energy(*args, **kwargs):
    """The test looks at the potential energy only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(iteration_module, "kinetic_energy", lambda metric, p: 0 * p[:, 0])
        return iterate(*args, **kwargs)


def noisy_energies(state, draws, tuning, groups, coupling, target, *rest, **more):
    """Energies with fresh noise at either end of the trajectory, in the test as in the pull."""
    rng = np.random.default_rng(int(draws.role[0] * 2**32))

    def noisy(position):
        energy, gradient = target.potential_and_gradient(position)
        return energy + 0.5 * rng.standard_normal(len(position)), gradient

    state = state._replace(potential_energy=noisy(state.position)[0])
    return iterate(state, draws, tuning, groups, coupling, Plain(noisy), *rest, **more)


def particle_by_particle(state, draws, tuning, groups, *rest, **more):
    """Algorithm 1 as printed: in every step each particle sees where those before it have gone."""
    width = groups.present.shape[1]
    turns = [(groups.seat % width == seat)[:, None] for seat in range(width)]

    def sweep(start, step_size, num_steps, metric, target, pull, *_):
        q, p, energy, gradient = start
        for _ in range(num_steps):
            for mine in turns:
                push = gradient + weigh(metric, pull(q, energy))
                p = np.where(mine, p - step_size / 2 * push, p)
                q = np.where(mine, q + step_size * velocity(metric, p), q)
                energy, gradient = target.potential_and_gradient(q)
                push = gradient + weigh(metric, pull(q, energy))
                p = np.where(mine, p - step_size / 2 * push, p)
        return PhasePoint(q, p, energy, gradient)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(iteration_module, "elastic_leapfrog", sweep)
        return iterate(state, draws, tuning, groups, *rest, **more)


JOINT = Case("joint", "4", 1.0, "zero", "diag", "skewed")
ALTERNATE = JOINT._replace(coupling="alternate")


@pytest.mark.parametrize(
    ("case", "replaced"),
    [
        pytest.param(JOINT, {"coupling": EachAlone()}, id="each-alone"),
        pytest.param(JOINT, {"coupling": ElasticInTest()}, id="elastic-in-test"),
        pytest.param(JOINT, {"step": without_kinetic_energy}, id="joint-potential-only"),
        pytest.param(ALTERNATE, {"step": without_kinetic_energy}, id="alternate-potential-only"),
        pytest.param(JOINT, {"step": unadjusted}, id="joint-unadjusted"),
        pytest.param(ALTERNATE, {"step": unadjusted}, id="alternate-unadjusted"),
        pytest.param(JOINT, {"step": noisy_energies}, id="joint-noisy-energies"),
        pytest.param(ALTERNATE, {"step": noisy_energies}, id="alternate-noisy-energies"),
        pytest.param(ALTERNATE, {"coupling": MovingLeader()}, id="moving-leader"),
        pytest.param(ALTERNATE, {"coupling": BestAreScouts()}, id="best-are-scouts"),
        # Exact in all that treats the members alike, since the map run backwards is the map in
        # the opposite order; not so for the first member by itself.
        pytest.param(
            Case("joint", "2", 10.0, "right", "diag", "skewed"),
            {"step": particle_by_particle},
            id="particle-by-particle",
        ),
    ],
)
def test_a_wrong_variant_is_caught(case, replaced):
    assert_caught(run(case, NUM_GROUPS, 1, **replaced), Z_THRESHOLD)


def test_noise_in_the_choice_of_the_leader_is_harmless():
    # Its law is the same along the trajectory and back, and the test knows nothing of it.
    case = Case("joint", "4", 1.0, "right", "dense", "skewed")
    assert_invariant(run(case, NUM_GROUPS, 1, coupling=NoisyChoice()), Z_THRESHOLD)


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_runs_laid_side_by_side_are_the_runs(grouping):
    num_particles, group_size = GROUPINGS[grouping]
    one = make_groups(num_particles, group_size, like=np.zeros(1))
    groups = tile(one, 3)
    np.testing.assert_array_equal(groups.members[groups.seat], np.arange(3 * num_particles))
    np.testing.assert_array_equal(np.diff(groups.group.reshape(3, -1), axis=0), len(one.size))
    np.testing.assert_array_equal(groups.members.reshape(3, -1)[0], one.members)
    assert groups.present.shape == (3 * one.present.shape[0], one.present.shape[1])


def test_settings_meet_in_the_short_grid():
    assert set().union(*map(pairs_of, COVER)) == set().union(*map(pairs_of, GRID))
    assert len(COVER) < len(GRID) / 15
