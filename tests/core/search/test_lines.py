"""What a search sees along the axes through what it has found."""

import numpy as np
import pytest

from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.mixture import in_use
from fhl_ppl.core.search import lines, turns
from fhl_ppl.core.search.ahead import both
from fhl_ppl.core.search.bounds import TURNS
from fhl_ppl.core.search.ends import DRAWS, ends_of, with_draws
from fhl_ppl.core.target import Plain
from tests.core.search.searched import descended, known, searched
from tests.hills import Hills, funnel, spike

ROWS = 8


def searched_on_an_axis(dim=10, turns=TURNS):
    """A mode of sd .1 and weight .05 that is 6 from a standard one, along the first axis."""
    position = np.random.default_rng(3).uniform(-2, 2, (4, dim))
    return searched(spike(0.1, 0.05, 6 * np.eye(dim)[0]), position, seed=4, turns=turns)


def test_what_lies_on_an_axis_is_found():
    found = searched_on_an_axis()
    np.testing.assert_allclose(np.sort(known(found)[:, 0]), [0, 6], atol=0.1)
    masses = np.exp(found.modes.log_weight[in_use(found.modes.log_weight)])
    np.testing.assert_allclose(np.sort(masses), [0.05, 0.95], rtol=0.3)
    # It was looked for, and does not tell how many others places at random would lead to.
    assert found.missed == 0


def test_several_on_axes_do_not_tell_of_others():
    """Each was begun at once, where it was seen."""
    position = np.random.default_rng(3).uniform(-1, 1, (4, 3))
    target = Hills(np.concatenate([np.zeros((1, 3)), 6.4 * np.eye(3)]), np.zeros(4))
    found = searched(target, position, seed=4, turns=2, radius=1.0)
    assert len(known(found)) == 4
    assert found.missed == 0


def test_the_check_notices_that_nothing_is_looked_at_so_far_out(monkeypatch):
    monkeypatch.setattr(lines, "STEPS", 3)
    assert not in_use(searched_on_an_axis().modes.log_weight).any()


def modes_on_a_path(seed=4):
    """How many of four are found, each beyond the last along another axis."""
    centres = 7.0 * np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]])
    position = np.random.default_rng(seed).uniform(-1, 1, (4, 3))
    hills = Hills(centres, np.zeros(4))
    return len(known(searched(hills, position, seed=seed, turns=TURNS, enough=1600, radius=1.0)))


def test_it_is_looked_from_what_was_found():
    assert modes_on_a_path() == 4


def test_the_check_notices_that_it_is_looked_from_the_first_alone(monkeypatch):
    monkeypatch.setattr(turns, "ALONG", 0.0)
    assert modes_on_a_path() == 2


def test_where_several_are_known_it_is_looked_farther():
    """A wave six high has modes 15 standard deviations apart."""

    def wave(position):
        x, others = position[:, 0], position[:, 1]
        energy = -6 * np.cos(2 * x) + x**2 / 50 + others**2 / 2
        return energy, np.stack([12 * np.sin(2 * x) + x / 25, others], axis=1)

    # Where they are, the first of them where descents from both begin.
    position = np.array([[0.1, 0.1], [3.1, 0.0], [-0.1, 0.5], [0.0, 1.0]])
    found = known(searched(wave, position, seed=4, turns=TURNS, enough=1600, radius=0.5))
    assert len(found) >= 7
    assert np.abs(found[:, 0]).max() > 9


def test_it_takes_no_more_than_two_thirds_of_a_turn():
    """Ten places to two sides of 26 dimensions are 520 of 800 evaluations."""
    within, beyond = (searched_on_an_axis(dim, turns=2).evaluations for dim in (26, 27))
    assert within > 520 > beyond
    alone, two_turns = (searched_on_an_axis(10, turns).evaluations for turns in (1, 2))
    assert two_turns > alone + 200


def test_where_nothing_is_found_there_is_nothing_to_look_from():
    position = np.random.default_rng(0).uniform(-2, 2, (4, 10))
    assert searched(funnel, position, turns=TURNS).evaluations <= ROWS * (50 + DRAWS)


def ahead_of(target, seed=0, looks=0.0, valleys=1):
    """What is seen from where eight descents end that begin near 0, after so many looks."""
    rng = np.random.default_rng(seed)
    position, noise = rng.uniform(-0.5, 0.5, (ROWS, 2)), rng.standard_normal((DRAWS, ROWS, 2))
    with np.errstate(all="ignore"):
        ends = ends_of(descended(target, position))
        ends = ends._replace(valley=np.arange(ROWS) % valleys)
        ends = with_draws(Plain(target), ends, noise, ends.has_arrived, PYTHON)
        shake = rng.uniform(-1, 1, (ROWS, 2))
        looks = looks + 0 * ends.lowest
        return lines.beyond(Plain(target), ends, looks, shake, PYTHON)[0]


def test_of_a_ray_the_lowest_place_beyond_a_rise_is_taken_and_the_lowest_ray_first():
    """Hills at 4.1 and 8.1 of one ray, the farther lower, and at 5.9 of another, in between."""
    centres = [[0.0, 0.0], [4.1, 0.0], [8.1, 0.0], [0.0, -5.9]]
    ahead = ahead_of(Hills(centres, [0.0, -2.0, -6.0, -4.0]))
    np.testing.assert_array_equal(ahead.exists, np.arange(ROWS) < 2)
    np.testing.assert_allclose(ahead.places[:2], [[8.1, 0.0], [0.0, -5.9]], atol=1)
    assert ahead.evaluations == 2 * 2 * lines.STEPS


def test_a_second_look_goes_on_where_the_first_ended_if_several_are_known():
    far = Hills([[0.0, 0.0], [19.0, 0.0]], [0.0, 0.0])
    # All is one valley here.
    assert ahead_of(far, looks=1.0).evaluations == 0
    ahead = ahead_of(far, looks=1.0, valleys=2)
    np.testing.assert_allclose(ahead.places[0], [19.0, 0.0], atol=1)
    assert ahead.exists[0]
    assert not ahead_of(far, looks=2.0, valleys=2).exists.any()


def check_that_a_mode_is_seen_wherever_it_is():
    """A seventh as wide and as high as the find, 3 to 13 of its standard deviations away."""
    for far in np.linspace(3, 13, 60):
        ahead = ahead_of(spike(1 / 7, 1 / 50, far * np.eye(2)[0]))
        assert ahead.exists[0], far
        np.testing.assert_allclose(ahead.places[0, 1], 0, atol=0.3)


def test_a_mode_is_seen_wherever_it_is():
    check_that_a_mode_is_seen_wherever_it_is()


def test_the_check_notices_that_places_are_too_far_apart(monkeypatch):
    monkeypatch.setattr(lines, "RATIO", 1.3)
    with pytest.raises(AssertionError):
        check_that_a_mode_is_seen_wherever_it_is()


def test_of_two_looks_all_that_there_are_rows_for_is_kept():
    near = ahead_of(Hills([[0.0, 0.0], [6.0, 0.0]], [0.0, 0.0]))
    other = ahead_of(Hills([[0.0, 0.0], [0.0, 8.0], [0.0, -8.0]], [0.0, 0.0, 0.0]))
    together = both(near, other)
    np.testing.assert_array_equal(together.exists, np.arange(ROWS) < 3)
    kept = np.concatenate([near.places[:1], other.places[:2]])
    np.testing.assert_array_equal(together.places[:3], kept)
    assert together.evaluations == near.evaluations + other.evaluations


def test_beyond_a_gaussian_there_is_nothing():
    assert not ahead_of(Hills([[0.0, 0.0]], [0.0])).exists.any()


def test_a_wall_is_no_rise_that_ends():
    def walled(position):
        energy, gradient = Hills([[0.0, 0.0]], [0.0])(position)
        return np.where(np.abs(position).max(axis=1) > 3, np.nan, energy), gradient

    assert not ahead_of(walled).exists.any()


def test_what_lies_behind_a_wall_is_seen():
    def walled(position):
        energy, gradient = Hills([[0.0, 0.0], [6.0, 0.0]], [0.0, 0.0])(position)
        inside = np.abs(np.abs(position).max(axis=1) - 3.5) < 0.8
        return np.where(inside, np.nan, energy), gradient

    ahead = ahead_of(walled)
    assert ahead.exists[0]
    np.testing.assert_allclose(ahead.places[0], [6.0, 0.0], atol=1)
