"""Which ends of descents are finds, and in which valleys they are."""

from functools import partial

import numpy as np
import pytest

from fhl_ppl.core.search import ends as ends_module
from fhl_ppl.core.search import finds as finds_module
from fhl_ppl.core.search.bounds import TURNS
from tests.core.search.searched import (
    GAUSSIAN,
    RIGHT,
    TOO_HIGH,
    WRONG,
    beside,
    descended,
    found,
    known,
    searched,
)
from tests.hills import Hills, funnel


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


def check_that_a_neck_is_no_find():
    target, position = partial(funnel, width=1.5), np.random.default_rng(2).uniform(-2, 2, (4, 10))
    # All arrive, where v is -10.
    assert descended(target, position).has_arrived.all()
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
