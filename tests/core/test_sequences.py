"""Sequences begin as they should, and cover any stretch evenly."""

import numpy as np
import pytest

from fhl_ppl.core.sequences import van_der_corput

ONE = np.array(1.0)


def test_van_der_corput_begins_as_it_should():
    values = [van_der_corput(k, ONE) for k in range(9)]
    expected = [0, 1 / 2, 1 / 4, 3 / 4, 1 / 8, 5 / 8, 3 / 8, 7 / 8, 1 / 16]
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("first", [0, 3, 1000, 99_999])
def test_van_der_corput_covers_any_stretch_evenly(first, dtype):
    values = [van_der_corput(np.asarray(first + k), np.ones((), dtype)) for k in range(64)]
    np.testing.assert_array_equal(np.sort(np.floor(np.asarray(values) * 64)), np.arange(64))
