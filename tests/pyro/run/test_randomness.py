"""Blocks of draws are the same stream wherever a run is interrupted."""

import numpy as np
import pytest
import torch

from fhl_ppl.pyro.run.arrays import TensorArrays
from fhl_ppl.pyro.run.randomness import Randomness

LIKE = torch.zeros(8, 100)  # Blocks of 158 iterations.


def seeded():
    torch.manual_seed(3)
    return Randomness(LIKE, TensorArrays())


def stacked(randomness, count):
    return [np.stack(rows) for rows in zip(*(randomness() for _ in range(count)), strict=True)]


@pytest.mark.parametrize("at", [0, 1, 157, 158, 159, 400])
def test_goes_on_where_it_was_interrupted(at):
    whole, parts = seeded(), seeded()
    expected = stacked(whole, 500)
    for _ in range(at):
        parts()
    state = parts.state_dict()
    for _ in range(200):
        parts()
    resumed = Randomness(LIKE, TensorArrays())
    resumed.load_state_dict(state)
    for actual, wanted in zip(stacked(resumed, 500 - at), expected, strict=True):
        np.testing.assert_array_equal(actual, wanted[at:])


def test_no_draw_comes_twice():
    noise, role, accept, strength, *_ = stacked(seeded(), 500)
    assert noise.shape == (500, 8, 100)
    for values in (noise, np.stack([role, accept, strength])):
        # float32 numbers coincide now and then, whole rows do not.
        rows = values.reshape(-1, values.shape[-1])
        assert len(np.unique(rows, axis=0)) == len(rows)
    # 400,000 standard normal and 12,000 uniform numbers: five standard errors.
    assert abs(noise.mean()) < 5 / noise.size**0.5
    assert abs(role.mean() - 0.5) < 5 / (12 * role.size) ** 0.5


def test_a_lost_count_would_be_seen():
    parts = seeded()
    stacked(parts, 10)
    resumed = Randomness(LIKE, TensorArrays())
    resumed.load_state_dict({**parts.state_dict(), "draws_used": 0})
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(stacked(resumed, 5)[0], stacked(parts, 5)[0])
