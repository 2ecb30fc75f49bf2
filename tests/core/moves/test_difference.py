"""Difference and leap: of which pair, and which way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhl_ppl.core.couplings.alternate import choose_scouts
from fhl_ppl.core.groups import group_sizes, make_groups
from fhl_ppl.core.moves.difference import partner_difference
from tests.core.moves.scenes import propose
from tests.loops import draw

SHIFTS = ("difference", "leap")
GROUPS_OF_SEVEN = (slice(0, 4), slice(4, 7))


def differences(position, role, group_size):
    groups = make_groups(len(position), group_size, like=position)
    is_scout = choose_scouts(groups, role)
    return partner_difference(groups, is_scout, role, position), is_scout


@given(st.integers(1, 12), st.integers(1, 8), st.integers(0, 10**6))
def test_a_difference_is_of_two_scouts_of_the_own_group(num_particles, group_size, seed):
    rng = np.random.default_rng(seed)
    apart, is_scout = differences(np.eye(num_particles), rng.random(num_particles), group_size)
    first = 0
    for size in group_sizes(num_particles, group_size):
        members = np.arange(first, first + size)
        # All of a group see the same pair; the unit vectors tell who they are.
        np.testing.assert_array_equal(apart[members], np.tile(apart[first], (size, 1)))
        if is_scout[members].sum() < 2:
            np.testing.assert_array_equal(apart[first], 0)
        else:
            plus, minus = np.flatnonzero(apart[first] == 1), np.flatnonzero(apart[first] == -1)
            assert len(plus) == len(minus) == 1
            assert np.abs(apart[first]).sum() == 2
            assert {plus[0], minus[0]} <= set(members)
            assert is_scout[plus[0]]
            assert is_scout[minus[0]]
        first += size


def test_a_pair_comes_in_either_order(rng):
    # Exchanging what the two drew turns the difference round and touches nothing else.
    position, role = rng.standard_normal((7, 3)), rng.random(7)
    apart, _ = differences(position, role, 4)
    for members in GROUPS_OF_SEVEN:
        first, second = np.argsort(role[members])[:2] + members.start
        role[[first, second]] = role[[second, first]]
    exchanged, _ = differences(position, role, 4)
    np.testing.assert_array_equal(exchanged, -apart)
    assert np.abs(apart).min() > 0


@pytest.mark.parametrize("name", SHIFTS)
def test_every_follower_jumps_either_way_by_a_coin_of_its_own(name, rng):
    position, draws = rng.standard_normal((8, 3)), draw(rng, 8, 3)
    followers = np.flatnonzero(~choose_scouts(make_groups(8, 8, like=position), draws.role))
    before = propose(name, position, draws, group_size=8)
    for k in followers:
        flipped = draws.noise.copy()
        flipped[k] *= -1
        after = propose(name, position, draws._replace(noise=flipped), group_size=8)
        # Its own jump alone is turned round.
        np.testing.assert_allclose(after[k] - position[k], position[k] - before[k], rtol=1e-10)
        others = np.arange(8) != k
        np.testing.assert_array_equal(after[others], before[others])
        assert np.abs(after[k] - before[k]).min() > 0


def test_all_ordered_pairs_of_scouts_are_as_likely(rng):
    # 4 of 8 are scouts, all 56 ordered pairs of members should come up.
    count = np.zeros((8, 8))
    for _ in range(20_000):
        apart, _ = differences(np.eye(8), rng.random(8), 8)
        count[apart[0].argmax(), apart[0].argmin()] += 1
    off_diagonal = count[~np.eye(8, dtype=bool)]
    expected = 20_000 / 56
    # Probability of a false alarm below 1e-5 for the 56 counts together (5.4 standard errors).
    np.testing.assert_allclose(off_diagonal, expected, rtol=0, atol=5.4 * np.sqrt(expected))
    np.testing.assert_array_equal(np.diag(count), 0)


@pytest.mark.parametrize("group_size", [1, 2])
@pytest.mark.parametrize("name", SHIFTS)
def test_with_a_single_scout_a_follower_stays(name, group_size, rng):
    position, draws = rng.standard_normal((6, 3)), draw(rng, 6, 3)
    proposal = propose(name, position, draws, group_size=group_size)
    is_scout = choose_scouts(make_groups(6, group_size, like=position), draws.role)
    assert is_scout.sum() == 6 // group_size
    np.testing.assert_array_equal(proposal[~is_scout], position[~is_scout])
    assert np.abs(proposal - position)[is_scout].min() > 0
