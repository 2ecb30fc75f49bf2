"""Shares of trajectories and jumps: by what each is worth, with floors that are kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhl_ppl.core.learners import move_shares
from fhl_ppl.core.learners.move_shares import (
    BETWEEN_FLOOR,
    BETWEEN_TRIAL,
    JUMP_FLOOR,
    KIND_TRIAL,
    MEMORY,
    TRAJECTORY_FLOOR,
    TRAJECTORY_TRIAL,
    TRIAL_SHARE,
    record,
    reweigh,
    start,
)
from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.moves.choice import Choice

OPTIONS = 1 + len(JUMPS)
ONE = np.array(1.0)


def fresh(like=ONE):
    """One kind of trajectories, and all jumps."""
    return start(like, 1, len(JUMPS))


def weight(shares):
    """Probability of every option."""
    return np.concatenate([shares.kinds, shares.jumps])


def with_record(rate, cost=100.0, like=ONE, accepted=100.0):
    """Options that achieved `rate` [option] or [option, 2] with so many gradients each."""
    rate = np.asarray(rate, like.dtype)
    rate = np.stack([rate, rate], axis=1) if rate.ndim == 1 else rate
    accepted = np.broadcast_to(np.asarray(accepted, like.dtype), OPTIONS)
    rate = np.concatenate([rate, accepted[:, None]], axis=1)
    cost = np.broadcast_to(np.asarray(cost, like.dtype), OPTIONS)
    return fresh(like)._replace(rate=rate, cost=cost)


def assert_weights(mixture, on_trial, trajectory_floor, rtol=1e-12):
    np.testing.assert_allclose(weight(mixture).sum(), 1, rtol=rtol)
    share = TRIAL_SHARE if on_trial else JUMP_FLOOR
    assert mixture.kinds.sum() >= trajectory_floor * (1 - rtol)
    assert (mixture.jumps >= share * (1 - rtol)).all()


def test_a_run_begins_with_trajectories_alone():
    first = fresh(np.array(-3.0))
    np.testing.assert_array_equal(first.kinds, [1])
    np.testing.assert_array_equal(first.jumps, [0] * len(JUMPS))
    np.testing.assert_array_equal(first.rate, np.zeros((OPTIONS, 3)))
    np.testing.assert_array_equal(first.cost, np.zeros(OPTIONS))


numbers = st.sampled_from([0.0, 1e-30, 1e-14, 1e-6, 1e6, 1e14]) | st.floats(0, 1e3, width=32)
records = st.lists(st.tuples(numbers, numbers), min_size=OPTIONS, max_size=OPTIONS)
costs = st.lists(st.sampled_from([0.0, 1.0, 100.0, 1e7]), min_size=OPTIONS, max_size=OPTIONS)


@given(records, costs, st.booleans(), st.sampled_from([0.05, 0.5]), st.booleans())
def test_weights_sum_to_one_and_keep_their_floors(rate, cost, on_trial, floor, single):
    dtype = np.float32 if single else np.float64
    # No jump was ever made for nothing: where no gradient was taken no rate was recorded.
    rate = np.asarray(rate, dtype) * (np.asarray(cost, dtype) > 0)[:, None]
    with np.errstate(under="ignore"):
        mixture = reweigh(with_record(rate, cost, dtype(1)), on_trial, floor)
    if any(cost[1:]) or on_trial:
        assert_weights(mixture, on_trial, floor, rtol=1e-5 if single else 1e-12)
    else:
        np.testing.assert_array_equal(weight(mixture), weight(fresh(dtype(1))))


@pytest.mark.parametrize("best", range(OPTIONS))
@pytest.mark.parametrize("on_trial", [True, False])
def test_the_option_that_paid_gets_what_the_floors_leave(best, on_trial):
    rate = np.full(OPTIONS, 10.0)
    rate[best] = 100.0
    got = weight(reweigh(with_record(rate), on_trial, TRAJECTORY_FLOOR))
    share = TRIAL_SHARE if on_trial else JUMP_FLOOR
    floor = np.array([TRAJECTORY_FLOOR] + [share] * len(JUMPS))
    expected = floor + (1 - floor.sum()) * (np.arange(OPTIONS) == best)
    np.testing.assert_allclose(got, expected, atol=1e-3)


@pytest.mark.parametrize("several", [True, False])
@pytest.mark.parametrize("on_trial", [True, False])
def test_moves_between_modes_keep_more_while_there_are_several_and_else_nothing(on_trial, several):
    # Trajectories alone are worth anything, so that jumps have their floors.
    between = np.arange(len(JUMPS)) >= len(JUMPS) - 2
    record = with_record([10.0] + [0.0] * len(JUMPS))
    got = reweigh(record, on_trial, 0.05, between=(between, np.array(several)))
    usual, more = (TRIAL_SHARE, BETWEEN_TRIAL) if on_trial else (JUMP_FLOOR, BETWEEN_FLOOR)
    np.testing.assert_allclose(got.jumps, np.where(between, more * several, usual), rtol=1e-12)


def test_worth_is_counted_by_the_gradient():
    rate, cost = np.full(OPTIONS, 1.0), np.full(OPTIONS, 100.0)
    rate[[0, 2]], cost[0] = [60.0, 20.0], 1000.0
    assert np.argmax(weight(reweigh(with_record(rate, cost), True, 0.05))) == 2


def test_a_jump_must_be_better_by_a_margin():
    for jump_rate, wins in ((15.0, False), (40.0, True)):
        rate = np.zeros(OPTIONS)
        rate[:2] = 10.0, jump_rate
        got = weight(reweigh(with_record(rate), on_trial=False, trajectory_floor=0.05))
        assert (got[1] > 0.8) == wins
        assert (got[0] > 0.8) != wins


def test_the_direction_that_is_slow_counts_more():
    # Trajectories are ten times better elsewhere; along the widest direction only leaps move.
    rate = np.tile([1e-4, 10.0], (OPTIONS, 1))
    rate[1:, 1] = 1.0
    rate[-1] = 0.1, 0.1
    got = weight(reweigh(with_record(rate), on_trial=False, trajectory_floor=0.05))
    assert np.argmax(got) == OPTIONS - 1
    # Where nothing is slow it does not.
    rate[:, 0] = 10.0
    assert np.argmax(weight(reweigh(with_record(rate), False, 0.05))) == 0


def rare_far_jump():
    """Half an acceptance of fifty leaps, far along a direction that all move slowly in."""
    rate = np.tile([0.01, 10.0], (OPTIONS, 1))
    rate[1:], rate[-1] = 0.0, (0.06, 0.5)
    accepted = np.array([1000.0, *[5.0] * (OPTIONS - 2), 0.5])
    return weight(reweigh(with_record(rate, accepted=accepted), False, TRAJECTORY_FLOOR))


def test_one_far_jump_that_hardly_was_accepted_does_not_win():
    assert rare_far_jump()[-1] < 0.03


def test_it_would_win_if_acceptances_did_not_count(monkeypatch):
    monkeypatch.setattr(move_shares, "ACCEPTED", 1e-9)
    assert rare_far_jump()[-1] > 0.4


def test_without_a_record_of_jumps_there_are_none_when_sampling():
    rate, cost = np.zeros(OPTIONS), np.zeros(OPTIONS)
    rate[0], cost[0] = 10.0, 100.0
    got = reweigh(with_record(rate, cost), False, TRAJECTORY_FLOOR)
    np.testing.assert_array_equal(weight(got), [1] + [0] * len(JUMPS))
    # On trial they begin with their share.
    got = reweigh(with_record(rate, cost), True, TRAJECTORY_FLOOR)
    np.testing.assert_allclose(got.jumps, TRIAL_SHARE)


def test_older_records_fade():
    mixture = reweigh(with_record(np.full(OPTIONS, 8.0), 16.0), True, TRAJECTORY_FLOOR)
    np.testing.assert_allclose(mixture.rate[:, :2], 8 * MEMORY)
    np.testing.assert_allclose(mixture.rate[:, 2], 100 * MEMORY)
    np.testing.assert_allclose(mixture.cost, 16 * MEMORY)


def make_hop(happens, options):
    chosen = np.eye(len(JUMPS), dtype=bool)[options]
    return Choice(np.asarray(happens), chosen, chosen, 0 * ONE, ONE, None)


@pytest.mark.parametrize("happens", [0, 1])
def test_what_an_option_achieved_is_recorded_for_it(happens):
    squared, principal = np.array([6.0, 3.0, 9.0]), np.array([1.0, 2.0, 3.0])
    before = with_record(np.zeros(OPTIONS), 10.0, accepted=0.0)
    accepted = np.array([0.5, 0.25, 1.0])
    after = record(
        before,
        make_hop(happens, [1, 1, 4]),
        squared,
        principal,
        accepted,
        np.array(2.0),
        np.array(5.0),
        3,
    )
    rate, cost = np.zeros((OPTIONS, 3)), np.full(OPTIONS, 10.0)
    if happens:
        rate[2], rate[5] = [1.5, 3.0, 0.75], [1.5, 3.0, 1.0]
        cost[2], cost[5] = 10 + 2 * 5, 10 + 5
    else:
        rate[0], cost[0] = [3.0, 6.0, 1.75], 10 + 3 * 5
    np.testing.assert_allclose(after.rate, rate)
    np.testing.assert_allclose(after.cost, cost)
    np.testing.assert_array_equal(weight(after), weight(before))


def test_without_a_widest_direction_nothing_is_divided_by_zero():
    after = record(
        with_record(np.zeros(OPTIONS)),
        make_hop(1, [0]),
        ONE[None],
        0 * ONE[None],
        ONE[None],
        0 * ONE,
        ONE,
        3,
    )
    np.testing.assert_array_equal(after.rate[:, 0], 0)


# Kinds of trajectories.


def with_kinds(rate, cost=100.0):
    """Three kinds and jumps, which achieved `rate` [option] with so many gradients each."""
    rate = np.asarray(rate, float)
    begun = start(ONE, 3, len(rate) - 3)
    accepted = np.full(len(rate), 100.0)
    return begun._replace(rate=np.stack([rate, rate, accepted], 1), cost=np.full(len(rate), cost))


@pytest.mark.parametrize("jumps", [0, len(JUMPS)])
def test_the_kind_that_pays_gets_the_share_of_the_trajectories(jumps):
    kept = with_kinds([1.0, 4.0, 2.0, *([0.1] * jumps)])
    trial, final = (reweigh(kept, on_trial, 0.05, 0.05) for on_trial in (True, False))
    for mixture in (trial, final):
        np.testing.assert_allclose(weight(mixture).sum(), 1)
        assert np.argmax(weight(mixture)) == 1
        assert mixture.jumps.shape == (jumps,)
        assert (mixture.jumps >= 0.05 - 1e-12).all()
    assert (trial.kinds >= KIND_TRIAL * trial.kinds.sum() * (1 - 1e-12)).all()
    assert final.kinds[0] < 1e-3 * final.kinds[1]


def test_trajectories_that_lose_keep_enough_trials_to_tune_their_steps():
    kept = with_kinds([0.1, 0.1, 0.1, 9.0, *([0.1] * (len(JUMPS) - 1))])
    trial, final = (reweigh(kept, on_trial, 0.05, 0.05) for on_trial in (True, False))
    np.testing.assert_allclose(trial.kinds.sum(), TRAJECTORY_TRIAL, rtol=1e-6)
    np.testing.assert_allclose(final.kinds.sum(), 0.05, rtol=1e-6)


def test_a_trajectory_is_recorded_for_its_kind():
    squared, nothing = np.array([3.0, 6.0]), np.zeros(2)
    kind = np.array([False, True, False])
    after = record(start(ONE, 3, 0), None, squared, nothing, nothing, ONE, np.array(5.0), 3, kind)
    np.testing.assert_allclose(after.rate[:, 1], [0, 3, 0])
    np.testing.assert_allclose(after.cost, [0, 10, 0])


@pytest.mark.parametrize("happens", [0, 1])
def test_beside_jumps_a_trajectory_is_recorded_for_its_kind(happens):
    squared, nothing, jumps = np.array([3.0, 6.0]), np.zeros(2), len(JUMPS)
    kind = np.array([False, True, False])
    hop = make_hop(happens, [0, jumps - 1])
    begun = start(ONE, 3, jumps)
    after = record(begun, hop, squared, nothing, nothing, ONE, np.array(5.0), 3, kind)
    rates = [0, 0, 0, 1, *([0] * (jumps - 2)), 2] if happens else [0, 3, 0, *([0] * jumps)]
    np.testing.assert_allclose(after.rate[:, 1], rates)
    np.testing.assert_allclose(after.cost.sum(), 10)
