"""Round trips are counted from the target to the reference and back."""

import numpy as np

from fhl_ppl.core.tempering import travels as trips


def test_a_round_trip():
    travels = trips.go_on(trips.start(np.zeros((3, 1))), np.array([[False], [False]]))
    up, down = np.array([[True], [False]]), np.array([[False], [True]])
    expected = [0, 0, 0, 1]
    # One replica goes from the target to the reference and back; where it is, the others are not.
    for happens, count in zip((up, down, down, up), expected, strict=True):
        travels = trips.go_on(travels, happens)
        np.testing.assert_array_equal(travels.round_trips, [count])


def test_half_a_way_is_none():
    travels = trips.go_on(trips.start(np.zeros((3, 1))), np.array([[False], [False]]))
    for _ in range(4):
        travels = trips.go_on(travels, np.array([[True], [False]]))
    np.testing.assert_array_equal(travels.round_trips, [0])
