"""A search before warm-up: what it finds, and what it leaves alone."""

from functools import partial

import numpy as np
import pytest

from fhl_ppl.core import search as search_module
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.mixture import in_use
from fhl_ppl.core.search import TURNS, Bounds, bounds_of, places_of, search
from fhl_ppl.core.search import ends as ends_module
from fhl_ppl.core.search import finds as finds_module
from fhl_ppl.core.search.descent import descend
from fhl_ppl.core.search.ends import DRAWS, roots_of
from fhl_ppl.core.target import Plain
from tests.hills import Hills, funnel, spike
from tests.targets import Gaussian

GAUSSIAN = Gaussian(
    [3.0, -1.0, 2.0], [[4.0, 1.0, 0.0], [1.0, 0.5, 0.1], [0.0, 0.1, 25.0]]
).potential_and_gradient
FAR = np.full(5, 4.0)
RIGHT, WRONG, OTHER = FAR, -FAR, np.array([4.0, -4.0, 4.0, -4.0, 4.0])
TWO = Hills((RIGHT, OTHER), (0.0, 3.0))
TOO_HIGH = Hills((RIGHT, WRONG), (0.0, 40.0))
"""The other valley weighs exp(-40), which no draw will see."""


def searched(target, position, most=100, seed=0, turns=1, enough=None, radius=2.0):
    """All that a search finds."""
    rng = np.random.default_rng(seed)
    size, dim = places_of(len(position)), position.shape[1]
    bounds, places = Bounds(most, turns, most * size if enough is None else enough), turns * size
    noise = rng.standard_normal((DRAWS, places, dim))
    uniform = rng.uniform(1e-9, 1, (places, dim + DRAWS))
    with np.errstate(all="ignore"):
        return search(Plain(target), position, radius, noise, uniform, bounds, PYTHON)


def found(target, position, most=100, seed=0):
    """Starts, and evaluations in all."""
    return searched(target, position, most, seed)[:2]


def in_valley(starts, centre, width=1.0):
    return np.linalg.norm(starts - centre, axis=1) < 4 * width * np.sqrt(len(centre))


def beside(centre, number=4, seed=1):
    """Places from which one comes down to it."""
    return centre + 0.3 * np.random.default_rng(seed).standard_normal((number, len(centre)))


def test_a_descent_ends_at_the_minimum_and_knows_how_wide_it_is():
    begin = np.random.default_rng(0).uniform(-50, 50, (6, 3))
    with np.errstate(all="ignore"):
        end = descend(Plain(GAUSSIAN), begin, 100, PYTHON)
    assert end.has_arrived.all()
    energy, _ = GAUSSIAN(begin)
    assert (energy > 50).all()
    assert (end.state.potential_energy < 0.2).all()
    assert (end.evaluations < 40).all()
    # As many steps as dimensions and a few more: within a third of what it is.
    widths = np.linalg.eigvalsh(end.inverse_hessian)
    expected = np.linalg.eigvalsh([[4.0, 1.0, 0.0], [1.0, 0.5, 0.1], [0.0, 0.1, 25.0]])
    np.testing.assert_allclose(np.median(widths, axis=0), expected, rtol=0.33)


def test_it_goes_on_to_the_end_only_if_one_arrives():
    begin = np.random.default_rng(0).uniform(-2, 2, (3, 10))
    end = descend(Plain(funnel), begin, 100, PYTHON)
    np.testing.assert_array_equal(end.evaluations, 50)

    first = np.arange(3) == 0

    def easy_for_the_first(position):
        energy, gradient = funnel(position)
        easy = (position**2).sum(axis=1) / 2
        return np.where(first, easy, energy), np.where(first[:, None], position, gradient)

    end = descend(Plain(easy_for_the_first), begin, 100, PYTHON)
    np.testing.assert_array_equal(end.has_arrived, first)
    np.testing.assert_array_equal(end.evaluations[1:], 100)


def test_it_stops_where_it_is_told_to():
    begin = np.full((2, 3), 40.0)
    end = descend(Plain(GAUSSIAN), begin, 6, PYTHON)
    assert not end.has_arrived.any()
    np.testing.assert_array_equal(end.evaluations, 3)


def test_it_gives_up_where_there_are_no_numbers():
    def nowhere(position):
        return np.full(len(position), np.nan), np.zeros_like(position)

    begin = np.ones((2, 3))
    end = descend(Plain(nowhere), begin, 100, PYTHON)
    assert not end.has_arrived.any()
    np.testing.assert_array_equal(end.state.position, begin)
    assert (end.evaluations < 20).all()


def test_starts_are_draws():
    position = np.random.default_rng(0).uniform(-2, 2, (4, 3))
    starts = np.concatenate([found(GAUSSIAN, position, seed=seed)[0] for seed in range(50)])
    # 2 U is chi-squared with 3 degrees of freedom; one in 20 draws of a Gaussian is above 7.8, and
    # an inverse Hessian is known to a third.
    above = (2 * GAUSSIAN(starts)[0] > 7.8).mean()
    assert above < 0.12
    assert len(np.unique(starts, axis=0)) == len(starts)


def test_particles_start_in_every_valley_that_is_found():
    # All would start in one.
    starts, _ = found(TWO, beside(RIGHT))
    assert in_valley(starts, RIGHT).any()
    assert in_valley(starts, OTHER).any()


def test_who_came_to_one_of_several_valleys_stays():
    position = np.concatenate([beside(RIGHT, 2), beside(OTHER, 2)])
    np.testing.assert_array_equal(found(TWO, position)[0], position)


def test_one_of_two_in_a_valley_makes_room_for_what_nobody_came_to():
    position = beside(RIGHT)
    starts, _ = found(TWO, position)
    moved = (starts != position).any(axis=1)
    assert moved.sum() == 1
    assert in_valley(starts[moved], OTHER).all()


TWELVE = Hills(
    1.9 * np.stack(np.meshgrid([-6, -2, 2, 6], [-4, 0, 4]), -1).reshape(12, 2), [0.0] * 12
)


def known(all_found):
    """Centres of the modes that warm-up begins with."""
    return all_found.modes.centre[in_use(all_found.modes.log_weight)]


def known_valleys(turns, **bounds):
    position = np.random.default_rng(3).uniform(-12, 12, (4, 2))
    all_found = searched(TWELVE, position, seed=4, turns=turns, radius=12.0, **bounds)
    apart = np.linalg.norm(known(all_found)[:, None] - TWELVE.centres, axis=2)
    return len(set(apart.argmin(axis=1)[apart.min(axis=1) < 1])), all_found.evaluations


def test_where_there_are_several_it_looks_for_more():
    """No longer than it may, if a turn costs what others did."""
    one, cost = known_valleys(1)
    more, whole_cost = known_valleys(TURNS)
    assert one < more
    assert more >= 10
    assert 2 * cost < whole_cost <= 1.1 * 100 * places_of(4)
    assert known_valleys(TURNS, enough=1.8 * cost)[1] < 2.2 * cost


def test_from_as_many_places_as_are_asked_for():
    assert bounds_of(1000, 4, places=100).turns == 13
    assert known_valleys(13, enough=np.inf)[0] == 12
    # Also where there seems to be one valley.
    position = np.random.default_rng(0).uniform(-2, 2, (4, 3))
    once = searched(GAUSSIAN, position)
    often = searched(GAUSSIAN, position, turns=13, enough=np.inf)
    assert often.evaluations > 5 * once.evaluations


def check_that_a_narrow_valley_in_a_wide_one_is_another():
    """Within 4 standard deviations of the wide one."""
    narrow = np.array([3.0, 0.0])

    def target(position):
        wide, slope = Hills((np.zeros(2),), (0.0,))(position)
        deep, steep = Hills((20 * narrow,), (-4.0,))(20 * position)
        total = -np.logaddexp(-wide, -deep)
        share = np.exp(total - deep)[:, None]
        return total, share * 20 * steep + (1 - share) * slope

    position = np.concatenate([beside(np.zeros(2)), narrow + 0.02 * beside(np.zeros(2))])
    seen = known(searched(target, position))
    assert (np.linalg.norm(seen - narrow, axis=1) < 0.3).any()
    assert (np.linalg.norm(seen, axis=1) < 2).any()


def test_a_narrow_valley_in_a_wide_one_is_another():
    check_that_a_narrow_valley_in_a_wide_one_is_another()


def test_the_check_notices_that_near_ends_are_taken_for_one(monkeypatch):
    monkeypatch.setattr(finds_module, "BARRIER", np.inf)
    with pytest.raises(AssertionError):
        check_that_a_narrow_valley_in_a_wide_one_is_another()


def check_that_a_valley_that_is_flat_one_way_is_one():
    """BFGS stops before it has seen how wide that is, and ends lie far apart in its units."""

    def target(position):
        scale = np.array([1.0, 1e4, 1e-2])
        return GAUSSIAN(position / scale)[0], GAUSSIAN(position / scale)[1] / scale

    position = np.random.default_rng(5).uniform(-2, 2, (4, 3))
    assert not len(known(searched(target, position, turns=TURNS)))


def test_a_valley_that_is_flat_one_way_is_one():
    check_that_a_valley_that_is_flat_one_way_is_one()


def test_the_check_notices_that_only_distances_are_looked_at(monkeypatch):
    monkeypatch.setattr(finds_module, "BARRIER", -np.inf)
    with pytest.raises(AssertionError):
        check_that_a_valley_that_is_flat_one_way_is_one()


def test_how_many_were_missed_is_guessed():
    """Of twelve valleys that as many places lead to each."""
    position = np.random.default_rng(3).uniform(-12, 12, (4, 2))

    def missed(turns):
        runs = (
            searched(TWELVE, position, seed=seed, turns=turns, radius=12.0, enough=np.inf)
            for seed in range(10)
        )
        return np.mean([each.missed for each in runs])

    # After eight descents some half are, and Chao's estimate is a lower bound with an sd of 2 for
    # the mean of ten runs; after 128 one in 60,000 valleys is.
    assert missed(1) > 2
    assert missed(16) < 0.1


def test_draws_are_made_where_a_valley_has_none():
    first = searched(TWELVE, np.random.default_rng(3).uniform(-12, 12, (4, 2)), radius=12.0)
    cost = first.evaluations / places_of(4) - DRAWS
    turns = 40
    position = np.random.default_rng(3).uniform(-12, 12, (4, 2))
    all_found = searched(TWELVE, position, turns=turns, radius=12.0, enough=np.inf)
    each = all_found.evaluations / (turns * places_of(4))
    # Without draws, but for at most twelve and those of the first turn.
    assert each < cost + 2


def test_where_there_is_one_it_looks_no_more():
    position = np.random.default_rng(0).uniform(-2, 2, (4, 3))
    once, often = (searched(GAUSSIAN, position, turns=turns) for turns in (1, TURNS))
    assert often.evaluations == pytest.approx(once.evaluations, abs=100)
    assert not len(known(often))


def test_the_archive_gets_numbers_only():
    """Also of places without draws, whose mass is none."""
    position = np.random.default_rng(3).uniform(-12, 12, (4, 2))
    modes = searched(TWELVE, position, turns=TURNS, radius=12.0, enough=1e5).modes
    assert not in_use(modes.log_weight).all()
    assert np.isfinite(modes.log_weight).all()


def check_that_all_are_in_the_right_valley():
    starts, _ = found(TOO_HIGH, beside(WRONG))
    assert in_valley(starts, RIGHT).all()


def test_a_first_particle_is_in_each_valley_as_often_as_that_weighs():
    """Of chains that are run one by one each knows of its own search alone."""
    centres = np.full(5, 1.9), np.full(5, -1.9)
    target = Hills(centres, (0.0, 0.4))
    lone = np.random.default_rng(1).uniform(-2, 2, (60, 1, 5))
    starts = np.concatenate([found(target, each, seed=seed)[0] for seed, each in enumerate(lone)])
    share = (starts.sum(axis=1) > 0).mean()
    # exp(.4) to 1 where as many places lead to the one as to the other.
    assert 0.4 < share < 0.8


def test_nobody_starts_where_there_is_no_gradient():
    def target(position):
        energy, gradient = GAUSSIAN(position)
        return energy, np.where(position[:, :1] > 3, np.nan, gradient)

    position = np.random.default_rng(0).uniform(-2, 2, (4, 3))
    for seed in range(20):
        starts, _ = found(target, position, seed=seed)
        assert np.isfinite(target(starts)[1]).all()


def test_a_matrix_near_overflow_hasroots_of():
    # Of this one LAPACK finds none.
    near = np.asarray([[[3e38, 3e38], [3e38, -3e38]]], np.float32)
    for root in roots_of(near):
        assert np.isfinite(root).all()


def test_what_weighs_nothing_is_left():
    check_that_all_are_in_the_right_valley()


def test_the_check_notices_that_weights_are_not_looked_at(monkeypatch):
    monkeypatch.setattr(finds_module, "IGNORED", 1e-300)
    with pytest.raises(AssertionError):
        check_that_all_are_in_the_right_valley()


def check_that_a_neck_is_no_find():
    target, position = partial(funnel, width=1.5), np.random.default_rng(2).uniform(-2, 2, (4, 10))
    # All arrive, where v is -10.
    assert descend(Plain(target), position, 100, PYTHON).has_arrived.all()
    starts, evaluations = found(target, position)
    np.testing.assert_array_equal(starts, position)
    assert evaluations > 0


def test_a_neck_is_no_find():
    check_that_a_neck_is_no_find()


def test_the_check_notices_that_any_end_is_taken_for_one(monkeypatch):
    monkeypatch.setattr(ends_module, "STEEP", np.inf)
    monkeypatch.setattr(ends_module, "SPREAD", np.inf)
    # What lies beside the neck would keep them where they are.
    monkeypatch.setattr(finds_module, "BESIDE", 1e300)
    with pytest.raises(AssertionError):
        check_that_a_neck_is_no_find()


def test_what_lies_lower_and_has_not_arrived_is_not_passed_over():
    """Two places are in a valley too long to come to its end; the others end 40 above."""

    def target(position):
        energy, gradient = TOO_HIGH(position)
        # A slope that has no end for who is near the right valley.
        near = np.linalg.norm(position - RIGHT, axis=1) < np.linalg.norm(position - WRONG, axis=1)
        slope = np.where(near, position[:, 0], 0)
        return energy + np.where(near, -50 + slope, 0), gradient + np.where(
            near[:, None], np.eye(5)[0] - gradient, 0
        )

    position = np.concatenate([beside(WRONG, 2), beside(RIGHT, 2)])
    np.testing.assert_array_equal(found(target, position, 30)[0], position)


def test_who_came_to_a_valley_that_is_no_gaussian_stays():
    """Nearly all is in it, and nothing is found there."""

    def target(position):
        energy, gradient = Hills((np.full(2, 1.8),), (0.0,))((position - 1.8) * 5 + 1.8)
        apart = position + 1.2
        flat = np.sum(apart**4, axis=1)
        is_flat = flat < energy
        return np.where(is_flat, flat, energy), np.where(
            is_flat[:, None], 4 * apart**3, 5 * gradient
        )

    position = np.concatenate([beside(np.full(2, 1.8), 2), beside(np.full(2, -2.0), 2)])
    for seed in range(10):
        starts, _ = found(target, position, seed=seed)
        assert (starts[2:] < 0).all()


def test_what_it_may_cost():
    assert bounds_of(1000, 4).most * places_of(4) == 0.2 * 1000 * 4
    assert bounds_of(1000, 4).enough == 0.4 * 1000 * 4
    assert bounds_of(300, 4).most * places_of(4) <= 0.2 * 300 * 4
    assert bounds_of(100, 4) is None
    assert bounds_of(1000, 64) is not None
    assert bounds_of(1000, 65) is None
    assert bounds_of(1000, 65, places=100).turns == 2
    assert bounds_of(0, 4, places=100) is None


def test_what_it_cost_is_told():
    calls = []

    def target(position):
        calls.append(len(position))
        return GAUSSIAN(position)

    position = np.random.default_rng(0).uniform(-2, 2, (4, 3))
    _, evaluations = found(target, position)
    # A place that has arrived is evaluated with the others, for nothing.
    assert evaluations <= sum(calls) <= 2 * evaluations
    assert evaluations >= DRAWS * places_of(4)


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
    monkeypatch.setattr(search_module, "is_steep", lambda ends: ends.has_arrived & False)
    assert not len(known_masses(searched_in_a_slab()[1]))


def test_a_gaussian_has_nothing_beside_it():
    position = np.random.default_rng(3).uniform(-2, 2, (4, 3))
    wide = searched(GAUSSIAN, position)
    assert not in_use(wide.modes.log_weight).any()
    assert (np.abs(wide.starts - position) > 0).any(axis=1).all()


def test_a_round_gaussian_is_arrived_at_in_single_precision():
    """The second step leads to 0 but for rounding, and squares of what is left underflow."""
    begin = np.random.default_rng(0).uniform(-2, 2, (4, 10)).astype(np.float32)
    with np.errstate(all="ignore"):
        end = descend(Plain(lambda q: (np.sum(q**2, axis=1) / 2, q)), begin, 100, PYTHON)
    assert end.has_arrived.all()
    np.testing.assert_allclose(end.inverse_hessian, np.stack([np.eye(10)] * 4), atol=0.1)
