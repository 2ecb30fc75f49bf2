"""What lies about a spike."""

import numpy as np

from fhl_ppl.core.mixture import in_use
from fhl_ppl.core.search import finds as finds_module
from fhl_ppl.core.search import turn as turn_module
from tests.core.search.searched import GAUSSIAN, searched
from tests.hills import spike


def searched_in_a_spike():
    position = np.random.default_rng(3).uniform(-2, 2, (4, 3))
    return position, searched(spike(0.03, 0.3, np.zeros(3)), position, seed=4)


def known_masses(found):
    """Of the modes that warm-up begins with: finds, and what is around one."""
    log_mass = found.modes.log_weight
    return np.exp(log_mass[in_use(log_mass)])


def test_nobody_begins_in_a_spike_with_mass_beside_it_and_the_spike_is_known():
    position, found = searched_in_a_spike()
    np.testing.assert_array_equal(found.starts, position)
    np.testing.assert_allclose(known_masses(found), [0.3, 0.7], rtol=0.5)


def test_the_check_notices_that_what_lies_beside_is_not_looked_at(monkeypatch):
    monkeypatch.setattr(finds_module, "BESIDE", 1e300)
    position, found = searched_in_a_spike()
    assert np.abs(found.starts).max() < 0.2 < np.abs(position).max()
    assert not in_use(found.modes.log_weight).any()


def searched_in_a_slab():
    """A spike in ten dimensions: descents come straight down, and have learnt the slab."""
    position = np.random.default_rng(3).uniform(-2, 2, (4, 10))
    return position, searched(spike(0.1, 0.9, np.zeros(10)), position, seed=4)


def test_a_spike_that_no_descent_has_seen_is_looked_at():
    position, found = searched_in_a_slab()
    np.testing.assert_array_equal(found.starts, position)
    np.testing.assert_allclose(known_masses(found), [0.9, 0.1], rtol=0.7)


def test_the_check_notices_that_nobody_looks_twice(monkeypatch):
    monkeypatch.setattr(turn_module, "is_steep", lambda ends: ends.has_arrived & False)
    assert not len(known_masses(searched_in_a_slab()[1]))


def test_a_gaussian_has_nothing_beside_it():
    position = np.random.default_rng(3).uniform(-2, 2, (4, 3))
    wide = searched(GAUSSIAN, position)
    assert not in_use(wide.modes.log_weight).any()
    assert (np.abs(wide.starts - position) > 0).any(axis=1).all()
