"""When each move is made: as often as its share says, and evenly."""

import numpy as np
import pytest

from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.moves.choice import choose_jumps, jumps_at, kind_at


def weighing(trajectories, dtype=np.float64):
    """Shares of the one kind of trajectories, and of the jumps."""
    jumps = [(1 - trajectories) / len(JUMPS)] * len(JUMPS)
    return np.asarray([trajectories], dtype), np.asarray(jumps, dtype)


@pytest.mark.parametrize("share", [0.03, 0.18, 0.5, 0.97])
@pytest.mark.parametrize("first", [0, 12_345, 10**6, 10**9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_jumps_come_as_often_as_they_weigh_and_evenly(share, first, dtype):
    kinds, _ = weighing(1 - share, dtype)
    happens = jumps_at(kinds, first + np.arange(20_000))
    assert set(np.unique(happens)) == {0, 1}
    np.testing.assert_allclose(happens.mean(), share, atol=2e-3)
    # No stretch goes without: the points of 1.9 / share iterations leave no gap of a share.
    waits = np.diff(np.flatnonzero(happens))
    assert waits.max() <= 3 / share
    # One by one it is the same.
    one_by_one = [int(jumps_at(kinds, first + k)) for k in range(50)]
    np.testing.assert_array_equal(happens[:50], one_by_one)


def test_a_weight_of_one_leaves_no_jumps():
    assert not jumps_at(np.ones(1, np.float32), np.arange(10_000)).any()


def test_the_turn_spreads_over_the_iterations_of_jumps():
    # It comes from another sequence than they, so that every jump turns by all angles.
    for share in (0.03, 0.5):
        shares, uniform = weighing(1 - share), np.array([0.5])
        happens = np.flatnonzero(jumps_at(shares[0], np.arange(20_000)))
        turns = [
            float(choose_jumps(tuple(JUMPS), *shares, None, k, uniform).turn)
            for k in map(np.asarray, happens)
        ]
        count, _ = np.histogram(turns, bins=10, range=(0, 1))
        np.testing.assert_allclose(count, len(happens) / 10, rtol=0.15)


def test_kinds_come_up_as_often_as_their_weights_say():
    kinds, iterations = np.array([0.2, 0.3, 0.1]), np.arange(4181)
    kind, hops = kind_at(kinds, iterations), jumps_at(kinds, iterations)
    np.testing.assert_array_equal(kind.sum(axis=1), 1)
    np.testing.assert_allclose(kind[hops == 0].mean(axis=0) * 0.6, kinds, atol=1e-3)
    np.testing.assert_array_equal(kind[7], kind_at(kinds, np.array(7)))
