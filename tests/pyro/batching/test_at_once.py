"""How many particles are evaluated at a time, where all would not fit."""

import numpy as np
import pytest
import torch

from fhl_ppl.pyro.batching import at_once, replay
from fhl_ppl.pyro.batching.potential import BatchedPotential
from fhl_ppl.pyro.model.one_particle import energy_and_gradient
from tests.pyro.batching.quadratic import LAYOUT, POINTS, quadratic

pytestmark = pytest.mark.usefixtures("float64")


def test_large_data_in_blocks(monkeypatch):
    """Rows that differ, in a last block that is not full, and no block above the bound."""
    data = torch.linspace(0.0, 1.0, 500)
    sizes = []

    def potential_fn(sites):
        return ((data[:, None] - sites["x"]) ** 2).sum()

    def counting(function, position):
        sizes.append(len(position))
        return record(function, position)

    record = replay.record
    monkeypatch.setattr(replay, "record", counting)
    monkeypatch.setattr(at_once, "LARGEST", 3 * 500 * 2 * 8)
    points = torch.arange(16.0).reshape(8, 2)
    potential = BatchedPotential(potential_fn, LAYOUT)
    energies, gradients = potential.energy_and_gradient(points)
    assert sizes == [3]
    expected = ((data[:, None] - points[:, None]) ** 2).sum((1, 2))
    np.testing.assert_allclose(energies, expected)
    np.testing.assert_allclose(gradients, 2 * (500 * points - data.sum()))


def test_what_is_the_same_for_all_makes_no_blocks():
    data = torch.ones(1000, 1000)

    def potential_fn(sites):
        return quadratic(sites) * (data @ data).exp().isfinite().sum()

    quantity = energy_and_gradient(potential_fn, LAYOUT)
    assert at_once.particles_at_once(quantity, POINTS.repeat(20, 1)) == 60
