"""What a summary says of the modes that warm-up has found."""

import numpy as np
import pytest

from fhl_ppl import modes
from fhl_ppl.diagnostics.arviz_lines import datasets
from fhl_ppl.diagnostics.known_modes import (
    disagreement,
    lost_modes,
    missed_modes,
    no_crossings,
    no_room,
)
from tests.conftest import importorskip
from tests.diagnostics.particles import inference_data

importorskip("arviz")

GROUP = np.repeat([0, 1], 4)


def run(label, masses):
    """A run with these labels [chain, draw] and masses of the modes."""
    statistics = {"mode": label}
    return inference_data({"x": 1.0 * label}, GROUP, statistics, mode_masses=masses)


def told(label, masses):
    statistics = datasets(run(label, masses))["sample_stats"]
    checks = (lost_modes, no_crossings, disagreement)
    return [check.__name__ for check in checks if check(statistics)]


def visits(rng, weight, stay):
    """Chains that stay in their mode with the probability `stay`, [chain, draw]."""
    label = np.empty((8, 1000), int)
    label[:, 0] = rng.random(8) < weight
    for t in range(1, 1000):
        fresh = rng.random(8) < weight
        label[:, t] = np.where(rng.random(8) < stay, label[:, t - 1], fresh)
    return label


def test_the_table_has_weights_with_errors_and_crossings(rng):
    table = modes(run(visits(rng, 0.3, 0.9), [0.7, 0.3]))
    assert abs(table["weight"][1] - 0.3) < 4 * table["mcse"][1] < 0.1
    np.testing.assert_allclose(table["per_chain"], table["crossings"] / 8)
    assert 15 < table["per_chain"][1] < 27


def test_a_crossing_is_counted_for_the_mode_that_is_entered():
    # Three begin in mode 0 and go over to 1; two of them come back.
    label = np.ones((8, 10), int)
    label[:3, 0] = 0
    label[:2, 4:] = 0
    table = modes(run(label, [0.5, 0.5]))
    assert table["crossings"].tolist() == [2, 3]
    assert table["chains"].tolist() == [3, 8]


def test_a_mode_alone_has_one_row_whatever_its_slot():
    table = modes(run(np.zeros((8, 100), int), [0.0, 1.0]))
    assert table.index.tolist() == [0]
    assert table["warmup_mass"][0] == table["weight"][0] == 1.0


def test_the_error_of_a_weight_takes_groups_as_the_unit(rng):
    # Four particles that always agree know as much as one.
    together = np.repeat(visits(rng, 0.3, 0.9)[::4], 4, axis=0)
    apart = modes(run(visits(rng, 0.3, 0.9), [0.7, 0.3]))["mcse"][1]
    assert modes(run(together, [0.7, 0.3]))["mcse"][1] > 1.5 * apart


@pytest.mark.parametrize(
    ("weight", "stay", "masses", "expected"),
    [
        (0.0, 0.0, [1.0], []),
        # A single mode that the archive has divided, not in the right proportion.
        (0.4, 0.5, [0.95, 0.05], []),
        (0.3, 0.99, [0.7, 0.3], []),
        (0.3, 0.995, [0.97, 0.03], ["disagreement"]),
        (0.0, 0.0, [0.7, 0.3], ["lost_modes"]),
        (0.5, 1.0, [0.5, 0.5], ["no_crossings"]),
    ],
)
def test_each_finding_has_its_warning(rng, weight, stay, masses, expected):
    found = told(visits(rng, weight, stay), masses)
    assert found == expected


def test_it_is_told_that_a_search_has_missed_some():
    assert not missed_modes({})
    assert not missed_modes({"modes_missed": 0.3})
    assert "missed 1 or more modes" in missed_modes({"modes_missed": 0.5})
    assert "missed 3 or more modes" in missed_modes({"modes_missed": 3.0})


def test_it_is_told_that_there_is_no_room_for_more():
    assert not no_room({})
    assert not no_room({"mode_masses": [1.0]})
    assert not no_room({"mode_masses": [0.5, 0.5, 0.0]})
    assert "All 3 places" in no_room({"mode_masses": [0.5, 0.4, 0.1]})
