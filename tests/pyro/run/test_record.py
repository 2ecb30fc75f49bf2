"""What is kept of the draws takes the room that they need, and comes back as it was."""

import numpy as np
import pytest
import torch

from fhl_ppl.core.iteration import Tuning
from fhl_ppl.core.state import Info, State
from fhl_ppl.core.statistics import MEANINGS, STATISTICS, read
from fhl_ppl.pyro.run.engine import Iteration
from fhl_ppl.pyro.run.record import Record, Rows

NUM_PARTICLES, NUM_REPORTED, NUM_DRAWS = 5, 3, 37


def iterations(as_array):
    rng = np.random.default_rng(0)
    for k in range(NUM_DRAWS):
        per_particle = {name: as_array(rng.normal(size=NUM_PARTICLES)) for name in Info._fields}
        for name in ("accepted", "diverging", "is_leader"):
            per_particle[name] = per_particle[name] > 0
        info = Info(**per_particle)._replace(num_steps=k + 1)
        tuning = Tuning(step_size=0.5 + k, num_steps=k + 1, pulling_strength=None, metric=None)
        energy = as_array(rng.normal(size=NUM_PARTICLES))
        told = read(State(None, energy, None), info, tuning)
        yield Iteration(None, info.accepted, told)


def recorded(as_array, room):
    record = Record(as_array([0, 0, 0, 1, 1]), NUM_REPORTED, room)
    for iteration in iterations(as_array):
        record.add(iteration)
    return record


@pytest.mark.parametrize("room", [1, NUM_DRAWS, 100])
@pytest.mark.parametrize("as_array", [np.asarray, torch.as_tensor])
def test_every_statistic_is_what_it_was(as_array, room):
    found = recorded(as_array, room).statistics()
    assert list(found) == list(MEANINGS)
    seen = list(iterations(np.asarray))
    for name in ("energy", "diverging", "move", "potential_energy"):
        expected = np.stack([each.statistics[name][:NUM_REPORTED] for each in seen], axis=1)
        np.testing.assert_array_equal(found[name], expected)
    np.testing.assert_array_equal(found["n_steps"], [np.arange(NUM_DRAWS) + 1] * NUM_REPORTED)
    np.testing.assert_array_equal(found["step_size"], [np.arange(NUM_DRAWS) + 0.5] * NUM_REPORTED)
    np.testing.assert_array_equal(found["group"], np.zeros((NUM_REPORTED, NUM_DRAWS)))


@pytest.mark.parametrize("as_array", [np.asarray, torch.as_tensor])
def test_what_is_taken_does_not_come_twice(as_array):
    record, whole = Record(as_array([0, 0, 0, 1, 1]), NUM_REPORTED, 8), recorded(as_array, 8)
    taken = []
    for k, iteration in enumerate(iterations(as_array)):
        record.add(iteration)
        if k in (9, 30):
            taken.append(record.take())
    assert [each["energy"].shape[1] for each in taken] == [10, 21]
    record.put_back({name: np.concatenate([x[name] for x in taken], axis=1) for name in taken[0]})
    for name, expected in whole.statistics().items():
        np.testing.assert_array_equal(record.statistics()[name], expected)


@pytest.mark.parametrize("as_array", [np.asarray, torch.as_tensor])
def test_acceptance_is_the_share_of_what_was_accepted(as_array):
    accepted = np.stack([each.accepted[:NUM_REPORTED] for each in iterations(np.asarray)])
    rate = recorded(as_array, 8).acceptance_rate()
    np.testing.assert_array_equal(rate, accepted.mean(axis=0))
    assert np.isnan(Record(as_array([0, 0]), 2, 8).acceptance_rate()).all()


def test_a_record_takes_the_room_of_its_numbers():
    rows = recorded(np.asarray, NUM_DRAWS)._rows
    room = sum(rows[each.name].all().base.nbytes for each in STATISTICS)
    needed = sum(
        rows[each.name].all().itemsize * NUM_DRAWS * (NUM_REPORTED if each.per == "particle" else 1)
        for each in STATISTICS
    )
    assert room == needed


def test_what_is_added_is_copied():
    rows, row = Rows(4), np.zeros(2)
    rows.add(row)
    row[:] = 1.0
    rows.add(row)
    np.testing.assert_array_equal(rows.all(), [[0.0, 0.0], [1.0, 1.0]])
