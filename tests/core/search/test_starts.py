"""Who starts where, of what a search has found."""

import numpy as np
import pytest

from fhl_ppl.core.search import finds as finds_module
from tests.core.search.searched import (
    GAUSSIAN,
    OTHER,
    RIGHT,
    TOO_HIGH,
    TWO,
    WRONG,
    beside,
    found,
    in_valley,
)
from tests.hills import Hills


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


def test_what_weighs_nothing_is_left():
    check_that_all_are_in_the_right_valley()


def test_the_check_notices_that_weights_are_not_looked_at(monkeypatch):
    monkeypatch.setattr(finds_module, "IGNORED", 1e-300)
    with pytest.raises(AssertionError):
        check_that_all_are_in_the_right_valley()


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
