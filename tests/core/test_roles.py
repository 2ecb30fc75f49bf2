"""Who pulls whom, read off the displacements in a toy that encodes it.

Particle i starts at the i-th unit vector, without momentum and without force. So after one step
it has moved along e_leader - e_i if it was pulled, and not at all if it was not.
"""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.couplings import COUPLINGS, Alternate, Joint
from fhl_ppl.core.couplings.alternate import choose_scouts
from fhl_ppl.core.couplings.roles import Roles
from fhl_ppl.core.groups import group_sizes, make_groups
from fhl_ppl.core.iteration import Tuning, iterate
from fhl_ppl.core.leader import elastic_displacement, find_leader, pull_rate
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.state import Draws, State
from fhl_ppl.core.target import Plain
from tests.loops import draw

STEP_SIZE = 0.1
STRENGTH = 3.0


def move(coupling, energies, group_size, role=None):
    """Displacement of every particle, in units of eta^2 / 2 rho, and the Info of the move.

    `energies` has a row for the start and one for the end of each step; a single row is for all.
    """
    energies = np.asarray(energies, dtype=float)
    if energies.ndim == 1:
        energies = np.stack([energies, energies])
    upcoming = iter(energies[1:])
    count = energies.shape[1]
    position, zeros = np.eye(count), np.zeros(count)
    state, info = iterate(
        State(position, energies[0], 0 * position),
        Draws(0 * position, zeros if role is None else np.asarray(role), zeros, zeros),
        Tuning(STEP_SIZE, len(energies) - 1, STRENGTH, make_metric(np.full(count, 0.5))),
        make_groups(count, group_size, like=position),
        coupling,
        Plain(lambda q: (next(upcoming), 0 * q)),
        PYTHON,
        adjusted=False,
    )
    return (state.position - position) / (STEP_SIZE**2 / 2 * STRENGTH), info


def who_acted(displacement):
    """For each particle, those towards whom it moved."""
    return [list(np.flatnonzero(moved > 0)) for moved in displacement]


alternate = partial(move, COUPLINGS["alternate"])
joint = partial(move, COUPLINGS["joint"])


# The first two of every four are scouts.
SCOUTS_FIRST = [0.1, 0.2, 0.3, 0.4] * 2


def assert_best_scout_leads(coupling):
    # Particle 2, a follower, is better than every scout; particle 5 is the best scout of all.
    displacement, info = move(coupling, [4, 3, 2.9, 9, 7, 1, 8, 9], 4, SCOUTS_FIRST)
    assert who_acted(displacement) == [[], [], [], [1], [], [], [5], [5]]
    np.testing.assert_array_equal(np.flatnonzero(info.is_leader), [1, 5])
    np.testing.assert_array_equal(info.is_pulled, [False, False, True, True] * 2)
    np.testing.assert_array_equal(info.is_free, [True, True, False, False] * 2)


def test_alternate_followers_move_to_the_best_scout_of_their_own_group():
    assert_best_scout_leads(COUPLINGS["alternate"])


class FollowersLead(Alternate):
    def roles(self, groups, state, draws):
        anyone = draws.role >= 0
        leader = find_leader(groups, state.position, state.potential_energy, anyone)
        return super().roles(groups, state, draws)._replace(leader=leader)


class ScoutsArePulled(Alternate):
    def roles(self, groups, state, draws):
        return super().roles(groups, state, draws)._replace(is_pulled=draws.role >= 0)


class FollowersArePushed(Alternate):
    def pull(self, groups, roles, pulling_strength, position, potential_energy):
        rate = pull_rate(pulling_strength, potential_energy, roles.leader)
        return elastic_displacement(np.where(roles.is_pulled, rate, 0), position, roles.leader)


@pytest.mark.parametrize("broken", [FollowersLead(), ScoutsArePulled(), FollowersArePushed()])
def test_mistaken_roles_are_noticed(broken):
    with pytest.raises(AssertionError):
        assert_best_scout_leads(broken)


def test_alternate_scouts_may_sit_anywhere():
    displacement, info = alternate([1, 3, 4, 2], 4, [0.9, 0.1, 0.8, 0.2])
    assert who_acted(displacement) == [[], [], [3], []]
    np.testing.assert_array_equal(np.flatnonzero(info.is_leader), [3])


def test_alternate_pull_goes_with_the_gap_in_energy():
    displacement, _ = alternate([0, 5, 0.6, 1.4], 4, SCOUTS_FIRST[:4])
    # One kick and one drift move by eta^2 / 2 rho (q_leader - q), whatever the mass.
    rate = np.tanh(np.array([0, 0, 0.6, 1.4]) / 2)
    expected = rate[:, None] * (np.eye(4)[0] - np.eye(4))
    np.testing.assert_allclose(displacement, expected, rtol=1e-12, atol=1e-14)


def test_alternate_followers_below_the_leader_are_not_pushed():
    displacement, _ = alternate([5, 6, 4.9, 5], 4, SCOUTS_FIRST[:4])
    np.testing.assert_array_equal(displacement, 0)


def test_alternate_leader_is_frozen_while_the_follower_moves():
    # Half way the leading scout gets worse and another better; follower 3 gets below the leader.
    rows = [[1, 2, 5, 5], [9, 0, 5, 0.5], [9, 0, 5, 5]]
    displacement, _ = alternate(rows, 4, SCOUTS_FIRST[:4])
    assert who_acted(displacement) == [[], [], [0], [0]]
    # Of follower 3's kicks only the first counts, and is carried through both steps.
    np.testing.assert_allclose(displacement[3, 0], 2 * np.tanh(2.0), rtol=1e-12)
    assert displacement[2, 0] > 3 * np.tanh(2.0)


def test_alternate_scouts_do_not_depend_on_anyone():
    rng = np.random.default_rng(1)
    target, metric = rng.standard_normal((8, 2)), make_metric(np.ones(2))
    groups, draws = make_groups(8, 4, like=target), draw(rng, 8, 2)
    scout = choose_scouts(groups, draws.role)

    def moved(start):
        def potential_and_gradient(q):
            return np.sum(q**4, axis=1), 4 * q**3

        return iterate(
            State(start, *potential_and_gradient(start)),
            draws,
            Tuning(STEP_SIZE, 5, STRENGTH, metric),
            groups,
            COUPLINGS["alternate"],
            Plain(potential_and_gradient),
            PYTHON,
        )[0].position

    position = rng.standard_normal((8, 2))
    shifted = np.where(scout[:, None], position, position + 0.5)
    np.testing.assert_array_equal(moved(position)[scout], moved(shifted)[scout])
    for k in np.flatnonzero(scout):
        others = np.arange(8) != k
        shifted = np.where(others[:, None], position + 0.5, position)
        np.testing.assert_array_equal(moved(position)[k], moved(shifted)[k])


def test_joint_everyone_is_pulled_to_the_best_of_their_own_group():
    displacement, info = joint([4, 3, 2, 9, 7, 1, 8, 9], 4)
    assert who_acted(displacement) == [[2], [2], [], [2], [5], [], [5], [5]]
    np.testing.assert_array_equal(np.flatnonzero(info.is_leader), [2, 5])
    assert info.is_pulled.all()
    assert not info.is_free.any()


def test_joint_a_group_is_accepted_or_rejected_as_one(rng):
    draws, groups = draw(rng, 7, 1), make_groups(7, 4, like=np.zeros(7))
    log_ratio, uniform = Joint().log_accept_ratio(groups, np.arange(7.0), draws)
    np.testing.assert_array_equal(log_ratio, [-6, -6, -6, -6, -15, -15, -15])
    np.testing.assert_array_equal(uniform, draws.accept[[0, 0, 0, 0, 4, 4, 4]])


class LeaderOfTheStart(Joint):
    def pull(self, groups, roles, pulling_strength, position, potential_energy):
        rate = pull_rate(pulling_strength, potential_energy, roles.leader)
        return elastic_displacement(rate, position, roles.leader)


def assert_leader_is_found_anew(coupling):
    # Particle 2 leads at the first kick and 1 afterwards, so 0 is pulled to one after the other.
    displacement, info = move(coupling, [[8, 9, 1], [8, 1, 9], [8, 1, 9]], 3)
    assert who_acted(displacement)[0] == [1, 2]
    np.testing.assert_array_equal(np.flatnonzero(info.is_leader), [2])


def test_joint_leader_is_found_anew_at_every_kick():
    assert_leader_is_found_anew(COUPLINGS["joint"])


def test_a_joint_leader_of_the_start_is_noticed():
    with pytest.raises(AssertionError):
        assert_leader_is_found_anew(LeaderOfTheStart())


@pytest.mark.parametrize("coupling", COUPLINGS.values(), ids=COUPLINGS)
def test_groups_never_interact(coupling):
    rng = np.random.default_rng(2)
    energies, role = rng.standard_normal((4, 8)), rng.random(8)
    ours, _ = move(coupling, energies, 4, role)
    assert all(k < 4 for acted in who_acted(ours)[:4] for k in acted)
    assert all(k >= 4 for acted in who_acted(ours)[4:] for k in acted)
    assert sum(map(len, who_acted(ours))) >= 3
    energies[:, 4:], role[4:] = rng.standard_normal((4, 4)), rng.random(4)
    theirs, _ = move(coupling, energies, 4, role)
    np.testing.assert_array_equal(ours[:4], theirs[:4])
    assert (ours[4:] != theirs[4:]).any()


@pytest.mark.parametrize("coupling", COUPLINGS.values(), ids=COUPLINGS)
def test_without_a_finite_candidate_nobody_is_pulled(coupling):
    groups, nowhere = make_groups(4, 4, like=np.zeros(1)), [np.inf, np.nan, -np.inf, np.nan]
    position, energy = np.eye(4), np.array(nowhere)
    draws = Draws(0 * position, np.array(SCOUTS_FIRST[:4]), np.zeros(4), np.zeros(4))
    roles = coupling.roles(groups, State(position, energy, 0 * position), draws)
    assert not roles.leader.is_leader.any()
    # A follower of finite energy makes no difference to alternate, as it is no candidate.
    if isinstance(coupling, Alternate):
        energy[3] = 1.0
    push = coupling.pull(groups, roles, np.full(4, STRENGTH), position, energy)
    np.testing.assert_array_equal(push, 0)


def test_ties_go_to_the_lowest_index():
    displacement, info = joint([3, 1, 1, 1, 2, 2, 2, 5], 4)
    assert who_acted(displacement) == [[1], [], [], [], [], [], [], [4]]
    np.testing.assert_array_equal(np.flatnonzero(info.is_leader), [1, 4])


def test_a_non_finite_energy_counts_as_infinite():
    groups = make_groups(4, 4, like=np.zeros(1))
    energy = np.array([np.nan, 2.0, -np.inf, np.inf])
    leader = find_leader(groups, np.eye(4), energy, np.full(4, True))
    np.testing.assert_array_equal(leader.is_leader, [False, True, False, False])
    np.testing.assert_array_equal(
        pull_rate(STRENGTH, energy, leader), [STRENGTH, 0, STRENGTH, STRENGTH]
    )


some_energies = st.one_of(
    st.floats(-1e3, 1e3), st.sampled_from([0.0, 1.0, np.inf, -np.inf, np.nan])
)


@given(
    st.integers(1, 6), st.lists(st.tuples(some_energies, st.booleans()), min_size=1, max_size=12)
)
def test_leader_and_rate_agree_with_plain_loops(group_size, particles):
    energy = np.array([u for u, _ in particles])
    candidate = np.array([c for _, c in particles])
    count = len(particles)
    groups = make_groups(count, group_size, like=energy)
    leader = find_leader(groups, np.eye(count), energy, candidate)
    rate = pull_rate(np.full(count, STRENGTH), energy, leader)
    end = 0
    for size in group_sizes(count, group_size):
        members = range(end, end + size)
        end += size
        able = [k for k in members if candidate[k] and np.isfinite(energy[k])]
        best = min(able, key=lambda k: (energy[k], k)) if able else None
        for k in members:
            assert leader.is_leader[k] == (k == best)
            if best is None:
                assert leader.potential_energy[k] == np.inf
                assert rate[k] == 0
                continue
            np.testing.assert_array_equal(leader.position[k], np.eye(count)[best])
            assert leader.potential_energy[k] == energy[best]
            gap = energy[k] - energy[best] if np.isfinite(energy[k]) else np.inf
            np.testing.assert_allclose(rate[k], STRENGTH * np.tanh(gap / 2), rtol=1e-12)


def test_rate_is_the_ratio_of_the_paper():
    # (pi_leader - pi_i) / (pi_leader + pi_i), where nothing overflows.
    groups = make_groups(3, 3, like=np.zeros(1))
    energy = np.array([0.3, 1.1, 2.0])
    leader = find_leader(groups, np.eye(3), energy, np.full(3, True))
    density = np.exp(-energy)
    expected = STRENGTH * (density[0] - density) / (density[0] + density)
    np.testing.assert_allclose(pull_rate(STRENGTH, energy, leader), expected, rtol=1e-13)
    far = pull_rate(STRENGTH, np.array([0.3, 1e6, 1e300]), leader)
    np.testing.assert_array_equal(far, [0, STRENGTH, STRENGTH])


FALSE_ALARM_RATE = 1e-4
"""Probability that counting scouts fails though all is well, were the seed drawn anew."""


@pytest.mark.parametrize(("count", "group_size"), [(8, 4), (7, 3), (5, 4), (1, 4), (6, 6)])
def test_half_of_each_group_are_scouts_and_each_equally_often(count, group_size, rng):
    groups, draws = make_groups(count, group_size, like=np.zeros(1)), 20_000
    chosen = np.array([choose_scouts(groups, role) for role in rng.random((draws, count))])
    sizes = group_sizes(count, group_size)
    threshold = norm.isf(FALSE_ALARM_RATE / count / 2)
    for g, size in enumerate(sizes):
        ours = chosen[:, groups.group == g]
        half = -(-size // 2)
        np.testing.assert_array_equal(ours.sum(axis=1), half)
        share = half / size
        error = np.sqrt(share * (1 - share) / draws)
        np.testing.assert_array_less(np.abs(ours.mean(axis=0) - share), threshold * error + 1e-12)


@pytest.mark.parametrize("coupling", COUPLINGS.values(), ids=COUPLINGS)
def test_who_may_lead_and_who_is_pulled_does_not_depend_on_the_state(coupling, rng):
    groups, draws = make_groups(7, 4, like=np.zeros(1)), draw(rng, 7, 2)

    def roles(seed) -> Roles:
        position = np.random.default_rng(seed).standard_normal((7, 2))
        return coupling.roles(groups, State(position, position[:, 0], position), draws)

    np.testing.assert_array_equal(roles(1).is_pulled, roles(2).is_pulled)
    assert (roles(1).leader.is_leader != roles(2).leader.is_leader).any()
