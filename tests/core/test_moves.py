"""The mixture of trajectories and jumps: its weights, its timing, and what it is good for."""

from typing import NamedTuple

import numpy as np
import pytest
from fhl_ppl.core.adaptation import window_end
from hypothesis import given
from hypothesis import strategies as st

from fhl_ppl.core import tuning as tuning_rules
from fhl_ppl.core import warmup
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.iteration import iterate
from fhl_ppl.core.learners.move_shares import (
    JUMP_FLOOR,
    KIND_TRIAL,
    MEMORY,
    TRAJECTORY_FLOOR,
    TRAJECTORY_TRIAL,
    TRIAL_SHARE,
    Moves,
    jumps_at,
    kind_at,
    record,
    reweigh,
    start,
    tune_jump,
)
from fhl_ppl.core.learners.windows import window_ends
from fhl_ppl.core.metrics import dense_fit as estimates
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.moments import independent, welford
from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.moves.choice import Choice
from fhl_ppl.core.plan import Adaptation
from fhl_ppl.core.state import Draws, State
from fhl_ppl.core.trajectory.reference import FREQUENCY
from tests.loops import draw
from tests.plans import make_plan
from tests.targets import FORCES, TARGETS, Gaussian, with_force

OPTIONS = 1 + len(JUMPS)
ONE = np.array(1.0)


def with_record(rate, cost=100.0, like=ONE):
    """Options that achieved `rate` [option] or [option, 2] with so many gradients each."""
    rate = np.asarray(rate, like.dtype)
    rate = np.stack([rate, rate], axis=1) if rate.ndim == 1 else rate
    cost = np.broadcast_to(np.asarray(cost, like.dtype), OPTIONS)
    return Moves(start(like).weight, rate, cost)


def assert_weights(mixture, on_trial, trajectory_floor, rtol=1e-12):
    np.testing.assert_allclose(mixture.weight.sum(), 1, rtol=rtol)
    share = TRIAL_SHARE if on_trial else JUMP_FLOOR
    assert mixture.weight[0] >= trajectory_floor * (1 - rtol)
    assert (mixture.weight[1:] >= share * (1 - rtol)).all()


# Weights.


def test_a_run_begins_with_trajectories_alone():
    fresh = start(np.array(-3.0))
    np.testing.assert_array_equal(fresh.weight, [1] + [0] * len(JUMPS))
    np.testing.assert_array_equal(fresh.rate, np.zeros((OPTIONS, 2)))
    np.testing.assert_array_equal(fresh.cost, np.zeros(OPTIONS))


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
        np.testing.assert_array_equal(mixture.weight, start(dtype(1)).weight)


@pytest.mark.parametrize("best", range(OPTIONS))
@pytest.mark.parametrize("on_trial", [True, False])
def test_the_option_that_paid_gets_what_the_floors_leave(best, on_trial):
    rate = np.full(OPTIONS, 10.0)
    rate[best] = 100.0
    weight = reweigh(with_record(rate), on_trial, TRAJECTORY_FLOOR).weight
    share = TRIAL_SHARE if on_trial else JUMP_FLOOR
    floor = np.array([TRAJECTORY_FLOOR] + [share] * len(JUMPS))
    expected = floor + (1 - floor.sum()) * (np.arange(OPTIONS) == best)
    np.testing.assert_allclose(weight, expected, atol=1e-3)


def test_worth_is_counted_by_the_gradient():
    rate, cost = np.full(OPTIONS, 1.0), np.full(OPTIONS, 100.0)
    rate[[0, 2]], cost[0] = [60.0, 20.0], 1000.0
    assert np.argmax(reweigh(with_record(rate, cost), True, 0.05).weight) == 2


def test_a_jump_must_be_better_by_a_margin():
    for jump_rate, wins in ((15.0, False), (40.0, True)):
        rate = np.zeros(OPTIONS)
        rate[:2] = 10.0, jump_rate
        weight = reweigh(with_record(rate), on_trial=False, trajectory_floor=0.05).weight
        assert (weight[1] > 0.8) == wins
        assert (weight[0] > 0.8) != wins


def test_the_direction_that_is_slow_counts_more():
    # Trajectories are ten times better elsewhere; along the widest direction only leaps move.
    rate = np.tile([1e-4, 10.0], (OPTIONS, 1))
    rate[1:, 1] = 1.0
    rate[-1] = 0.1, 0.1
    weight = reweigh(with_record(rate), on_trial=False, trajectory_floor=0.05).weight
    assert np.argmax(weight) == OPTIONS - 1
    # Where nothing is slow it does not.
    rate[:, 0] = 10.0
    assert np.argmax(reweigh(with_record(rate), False, 0.05).weight) == 0


def test_without_a_record_of_jumps_there_are_none_when_sampling():
    rate, cost = np.zeros(OPTIONS), np.zeros(OPTIONS)
    rate[0], cost[0] = 10.0, 100.0
    weight = reweigh(with_record(rate, cost), False, TRAJECTORY_FLOOR).weight
    np.testing.assert_array_equal(weight, [1] + [0] * len(JUMPS))
    # On trial they begin with their share.
    weight = reweigh(with_record(rate, cost), True, TRAJECTORY_FLOOR).weight
    np.testing.assert_allclose(weight[1:], TRIAL_SHARE)


def test_older_records_fade():
    mixture = reweigh(with_record(np.full(OPTIONS, 8.0), 16.0), True, TRAJECTORY_FLOOR)
    np.testing.assert_allclose(mixture.rate, 8 * MEMORY)
    np.testing.assert_allclose(mixture.cost, 16 * MEMORY)


def make_hop(happens, options):
    chosen = np.eye(len(JUMPS), dtype=bool)[options]
    return Choice(np.asarray(happens), chosen, chosen, 0 * ONE, ONE, None)


@pytest.mark.parametrize("happens", [0, 1])
def test_what_an_option_achieved_is_recorded_for_it(happens):
    squared, principal = np.array([6.0, 3.0, 9.0]), np.array([1.0, 2.0, 3.0])
    before = with_record(np.zeros(OPTIONS), 10.0)
    after = record(
        before, make_hop(happens, [1, 1, 4]), squared, principal, np.array(2.0), np.array(5.0), 3
    )
    rate, cost = np.zeros((OPTIONS, 2)), np.full(OPTIONS, 10.0)
    if happens:
        rate[2], rate[5] = [1.5, 3.0], [1.5, 3.0]
        cost[2], cost[5] = 10 + 2 * 5, 10 + 5
    else:
        rate[0], cost[0] = [3.0, 6.0], 10 + 3 * 5
    np.testing.assert_allclose(after.rate, rate)
    np.testing.assert_allclose(after.cost, cost)
    np.testing.assert_array_equal(after.weight, before.weight)


def test_without_a_widest_direction_nothing_is_divided_by_zero():
    after = record(
        with_record(np.zeros(OPTIONS)), make_hop(1, [0]), ONE[None], 0 * ONE[None], 0 * ONE, ONE, 3
    )
    np.testing.assert_array_equal(after.rate[:, 0], 0)


# When to jump.


def weighing(trajectories, dtype=np.float64):
    weight = [trajectories] + [(1 - trajectories) / len(JUMPS)] * len(JUMPS)
    return start(dtype(1))._replace(weight=np.asarray(weight, dtype))


@pytest.mark.parametrize("share", [0.03, 0.18, 0.5, 0.97])
@pytest.mark.parametrize("first", [0, 12_345, 10**6, 10**9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_jumps_come_as_often_as_they_weigh_and_evenly(share, first, dtype):
    mixture = weighing(1 - share, dtype)
    happens = jumps_at(mixture, first + np.arange(20_000))
    assert set(np.unique(happens)) == {0, 1}
    np.testing.assert_allclose(happens.mean(), share, atol=2e-3)
    # No stretch goes without: the points of 1.9 / share iterations leave no gap of a share.
    waits = np.diff(np.flatnonzero(happens))
    assert waits.max() <= 3 / share
    # One by one it is the same.
    one_by_one = [int(jumps_at(mixture, first + k)) for k in range(50)]
    np.testing.assert_array_equal(happens[:50], one_by_one)


def test_a_weight_of_one_leaves_no_jumps():
    assert not jumps_at(start(np.float32(1)), np.arange(10_000)).any()


def test_the_turn_spreads_over_the_iterations_of_jumps():
    # It comes from another sequence than they, so that every jump turns by all angles.
    for share in (0.03, 0.5):
        mixture, uniform = weighing(1 - share), np.array([0.5])
        happens = np.flatnonzero(jumps_at(mixture, np.arange(20_000)))
        turns = [float(tune_jump(mixture, None, k, uniform).turn) for k in map(np.asarray, happens)]
        count, _ = np.histogram(turns, bins=10, range=(0, 1))
        np.testing.assert_allclose(count, len(happens) / 10, rtol=0.15)


# What is fitted to jump by.


def test_the_mean_force_leads_from_the_mean_position_to_the_centre(rng):
    # A handful of draws on one side of a Gaussian.
    target = Gaussian([3.0, -1.0], [[2.0, 0.5], [0.5, 1.0]])
    draws = target.sample(rng, 8) + 2
    empty = welford.empty(draws, dense=True)
    positions = welford.update(empty, draws)
    gradients = welford.update(empty, target.potential_and_gradient(draws)[1])
    metric = make_metric(target.covariance)
    centre = estimates.centre_from_scores(metric, positions, gradients)
    np.testing.assert_allclose(centre, target.mean, rtol=1e-12)
    assert np.abs(positions.mean - target.mean).min() > 0.5


@pytest.mark.parametrize("dense", [True, False])
def test_the_widest_direction_is_that_of_the_whitened_positions(dense, rng):
    scale = np.array([1.0, 20.0, 3.0])
    moments = welford.update(
        welford.empty(np.ones((1, 3)), dense), scale * rng.standard_normal((5000, 3))
    )
    inverse = np.array([1.0, 400.0, 1.0])
    metric = make_metric(np.diag(inverse) if dense else inverse)
    direction, variance = estimates.widest_direction(metric, moments)
    np.testing.assert_allclose(np.abs(direction), [0, 0, 1], atol=0.02)
    np.testing.assert_allclose(np.sum(direction**2), 1, rtol=1e-12)
    np.testing.assert_allclose(variance, 9, rtol=0.1)


def test_of_equally_wide_directions_there_is_one():
    moments = welford.Welford(np.array(11.0), np.zeros(3), np.array([10.0, 20.0, 20.0]))
    direction, variance = estimates.widest_direction(make_metric(np.ones(3)), moments)
    np.testing.assert_array_equal(direction, [0, 1, 0])
    assert variance == 2


# Whole runs.


UNTRUSTED = {
    "estimate_metric": estimates.from_positions,
    "estimate_centre": None,
    "max_num_steps": 4,
    "target_accept_prob": 0.6,
    "trajectory_floor": 0.05,
}
"""As for a gradient that may be wrong."""


class Run(NamedTuple):
    """What a run went through, iteration by iteration; `position` [iteration, particle, dim]."""

    adaptation: Adaptation
    tunings: list
    infos: list
    position: np.ndarray
    weights: np.ndarray


def go(plan, evaluate, position, num_samples, seed=0, group_size=8):
    rng = np.random.default_rng(seed)
    state = State(position, *evaluate(position))
    groups = make_groups(len(position), group_size, like=position)
    adaptation = warmup.start(plan, state, np.asarray(0.5), np.eye(position.shape[1]))
    tunings, infos, visited, weights = [], [], [], []
    for iteration in map(np.asarray, range(plan.num_warmup + num_samples)):
        draws = draw(rng, *position.shape)
        tuning = tuning_rules.tune(plan, adaptation, groups, iteration, draws)
        weights.append(adaptation.moves.weight)
        with np.errstate(all="ignore"):
            state, info = iterate(
                state, draws, tuning, groups, COUPLINGS["alternate"], evaluate, PYTHON
            )
            if iteration < plan.num_warmup:
                adaptation = warmup.update(
                    plan, adaptation, groups, iteration, draws, state, info, PYTHON
                )
        visited.append(state.position)
        tunings.append(tuning)
        infos.append(info)
    return Run(adaptation, tunings, infos, np.array(visited), np.array(weights))


def go_on(target, num_warmup=200, num_samples=100, force="right", seed=0, **changes):
    position = 3 * np.random.default_rng(seed).standard_normal((16, TARGETS[target].dim))
    evaluate = with_force(TARGETS[target], FORCES[force])
    return go(make_plan(num_warmup, **changes), evaluate, position, num_samples, seed)


def happened(run):
    return np.array([int(tuning.jump.happens) for tuning in run.tunings])


def test_the_first_window_has_no_jumps_and_the_last_weights_stay():
    run = go_on("skewed")
    first, *_, last = window_ends(200)
    assert not happened(run)[:first].any()
    # On trial all through the rest of warm-up, at most as often as the floor allows.
    assert 0.15 < happened(run)[first:200].mean() <= 1 - TRAJECTORY_FLOOR + 0.01
    changes = 1 + np.flatnonzero((np.diff(run.weights, axis=0) != 0).any(axis=1))
    np.testing.assert_array_equal(changes, [*window_ends(200), 200])
    for weight in run.weights[first:200]:
        assert_weights(Moves(weight, None, None), True, TRAJECTORY_FLOOR)
    for weight in run.weights[200:]:
        assert_weights(Moves(weight, None, None), False, TRAJECTORY_FLOOR)
        np.testing.assert_array_equal(weight, run.adaptation.moves.weight)
    expected = [int(jumps_at(run.adaptation.moves, k)) for k in range(200, 300)]
    np.testing.assert_array_equal(happened(run)[200:], expected)
    assert run.adaptation.pool.centre is run.tunings[-1].jump.pool.centre
    assert last < 200


@pytest.mark.parametrize("trusts_gradient", [True, False])
def test_the_pool_is_the_last_window_a_little_widened(trusts_gradient):
    run = go_on("skewed", 60, 10, window_ends=(20, 50), trusts_gradient=trusts_gradient)
    pool, seen = run.adaptation.pool, run.position[20:50].reshape(-1, 3)
    np.testing.assert_allclose(pool.centre, seen.mean(axis=0), rtol=1e-10)
    empty = welford.empty(seen, dense=True)
    wider = 1 + window_end.WIDER / np.sqrt(3)
    root_wider = seen.mean(axis=0) + np.sqrt(wider) * (seen - seen.mean(axis=0))
    apart = sum(independent.difference(position) for position in run.position[20:50])
    count = independent.independent_draws(apart, welford.update(empty, seen), run.position.shape[1])
    count = None if trusts_gradient else count
    expected = estimates.from_positions(welford.update(empty, root_wider), None, draws=count)
    for got, wanted in zip(pool.metric, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-10)
    whitened = seen @ run.adaptation.metric.whitener.T
    np.testing.assert_allclose(np.sum(pool.direction**2), 1, rtol=1e-12)
    np.testing.assert_allclose(pool.variance, np.var(whitened @ pool.direction, ddof=1), rtol=1e-9)
    np.testing.assert_allclose(pool.variance, np.linalg.eigvalsh(np.cov(whitened.T))[-1], rtol=1e-9)
    # The centre of the reference is the one that the scores give.
    gradients = TARGETS["skewed"].potential_and_gradient(seen)[1]
    centre = estimates.centre_from_scores(
        run.adaptation.metric, welford.update(empty, seen), welford.update(empty, gradients)
    )
    np.testing.assert_allclose(run.adaptation.reference.centre, centre, rtol=1e-9, atol=1e-10)
    assert 0 < run.adaptation.reference.frequency <= FREQUENCY
    # And both were what the tunings went by, from then on.
    for tuning in run.tunings[50:]:
        assert tuning.jump.pool is pool
        assert tuning.direction is pool.direction
        assert tuning.reference is run.adaptation.reference


def test_before_the_first_window_ends_the_drift_is_straight():
    run = go_on("gaussian", 60, 0)
    first = window_ends(60)[0]
    frequency = [float(tuning.reference.frequency) for tuning in run.tunings]
    np.testing.assert_array_equal(frequency[:first], 0)
    assert all(0 < omega <= FREQUENCY for omega in frequency[first:])
    leapfrog = go_on("gaussian", 60, 0, estimate_centre=None)
    assert {tuning.reference for tuning in leapfrog.tunings} == {None}


def test_without_jumps_there_are_none():
    run = go_on("gaussian", 60, 10, jumps=False)
    assert {tuning.jump for tuning in run.tunings} == {None}
    assert {tuning.direction for tuning in run.tunings} == {None}
    np.testing.assert_array_equal(run.adaptation.moves.weight, [1] + [0] * len(JUMPS))


def test_too_short_a_warm_up_leaves_no_jumps():
    run = go_on("gaussian", 8, 30)
    assert not happened(run).any()


def test_step_size_and_pull_learn_nothing_from_jumps():
    run = go_on("gaussian", 100, 0, window_ends=(20,))
    # Both count the iterations of trajectories since the window.
    trajectories = np.sum(1 - happened(run)[20:])
    assert run.adaptation.step.count == trajectories < 80
    steps = sum(
        float(info.num_steps) * info.is_pulled.sum()
        for info, hop in zip(run.infos[20:], happened(run)[20:], strict=True)
        if not hop
    )
    # Freezing has halved the record, as the window did with that before it.
    early = sum(float(info.num_steps) * info.is_pulled.sum() for info in run.infos[:20])
    np.testing.assert_allclose(run.adaptation.mixture.gradients.sum(), (steps + early / 2) / 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_run_keeps_its_precision(dtype):
    evaluate = TARGETS["gaussian"].potential_and_gradient
    position = np.random.default_rng(1).standard_normal((8, 3)).astype(dtype)
    state, plan = State(position, *evaluate(position)), make_plan(40)
    groups = make_groups(8, 4, like=position)
    adaptation = warmup.start(plan, state, dtype(0.5), np.eye(3, dtype=dtype))
    rng = np.random.default_rng(2)
    # Counted in plain numbers, as on a host.
    for iteration in range(60):
        draws = Draws(*(part.astype(dtype) for part in draw(rng, 8, 3)))
        tuning = tuning_rules.tune(plan, adaptation, groups, iteration, draws)
        state, info = iterate(
            state, draws, tuning, groups, COUPLINGS["alternate"], evaluate, PYTHON
        )
        if iteration < plan.num_warmup:
            adaptation = warmup.update(
                plan, adaptation, groups, iteration, draws, state, info, PYTHON
            )
        # The weights of the kicks are plain numbers.
        for leaf in leaves((state, info, adaptation, tuning._replace(splitting=None))):
            kind = np.asarray(leaf).dtype
            assert kind == dtype or not np.issubdtype(kind, np.floating)
    assert adaptation.moves.weight[0] < 1


def leaves(tree):
    if isinstance(tree, tuple):
        return [leaf for part in tree for leaf in leaves(part)]
    return [] if tree is None else [tree]


def test_with_a_zero_gradient_jumps_win():
    for seed in range(3):
        run = go_on("gaussian", 300, 0, force="zero", seed=seed, **UNTRUSTED)
        weight = run.adaptation.moves.weight
        assert weight[0] < 0.1
        assert_weights(run.adaptation.moves, False, 0.05)


@pytest.mark.parametrize("floor", [TRAJECTORY_FLOOR, 0.05])
def test_with_a_good_gradient_trajectories_keep_their_floor(floor):
    run = go_on("gaussian", 300, 0, trajectory_floor=floor)
    assert run.adaptation.moves.weight[0] >= floor
    assert_weights(run.adaptation.moves, False, floor)


# Two modes, six standard deviations apart.

SHARE = 0.3
FAR = np.array([6.0, 0, 0, 0, 0])


def two_modes(position):
    """(1 - SHARE) N(0, I) + SHARE N(FAR, I) in five dimensions."""
    near = np.sum(position**2, axis=1) / 2 - np.log(1 - SHARE)
    far = np.sum((position - FAR) ** 2, axis=1) / 2 - np.log(SHARE)
    energy = -np.logaddexp(-near, -far)
    return energy, position - np.exp(energy - far)[:, None] * FAR


def assert_modes_have_their_weights(jumps, force=None, seed=3, **changes):
    """Both overall and in what every particle has seen by itself.

    Over seeds the two errors have standard deviations of .009 and .03: a correct library fails with
    a probability of about 1e-3, were the seed drawn anew.
    """
    position = np.random.default_rng(2).standard_normal((16, 5))
    position[::2] += FAR

    def evaluate(q):
        energy, gradient = two_modes(q)
        return energy, gradient if force is None else force(q, gradient)

    run = go(make_plan(300, jumps=jumps, **changes), evaluate, position, 1500, seed)
    is_far = run.position[300:, :, 0] > 3
    np.testing.assert_allclose(is_far.mean(), SHARE, atol=0.03)
    np.testing.assert_allclose(is_far.mean(axis=0), SHARE, atol=0.15)


def test_jumps_give_two_modes_their_weights():
    assert_modes_have_their_weights(jumps=True)


def test_jumps_give_two_modes_their_weights_without_a_gradient():
    assert_modes_have_their_weights(jumps=True, force=FORCES["zero"], **UNTRUSTED)


def test_without_jumps_two_modes_do_not_get_their_weights():
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_modes_have_their_weights(jumps=False)


# Kinds of trajectories.


def with_kinds(rate, cost=100.0):
    """Three kinds and the jumps, which achieved `rate` [option] with so many gradients each."""
    rate = np.asarray(rate, float)
    return Moves(start(ONE, 3).weight, np.stack([rate, rate], 1), np.full(len(rate), cost))


@pytest.mark.parametrize("jumps", [True, False])
def test_the_kind_that_pays_gets_the_share_of_the_trajectories(jumps):
    rate = [1.0, 4.0, 2.0, *([0.1 * jumps] * len(JUMPS))]
    kept = with_kinds(rate, 100.0)
    if not jumps:
        kept = kept._replace(cost=np.array([100.0] * 3 + [0.0] * len(JUMPS)))
    trial = reweigh(kept, True, 0.05, 0.05, jumps).weight
    final = reweigh(kept, False, 0.05, 0.05, jumps).weight
    for weight in (trial, final):
        np.testing.assert_allclose(weight.sum(), 1)
        assert np.argmax(weight) == 1
        assert (weight[3:] >= 0.05 * jumps - 1e-12).all()
    assert (trial[:3] >= KIND_TRIAL * trial[:3].sum() * (1 - 1e-12)).all()
    assert final[0] < 1e-3 * final[1]
    if not jumps:
        np.testing.assert_array_equal(final[3:], 0)


def test_trajectories_that_lose_keep_enough_trials_to_tune_their_steps():
    kept = with_kinds([0.1, 0.1, 0.1, 9.0, *([0.1] * (len(JUMPS) - 1))])
    trial, final = (reweigh(kept, on_trial, 0.05, 0.05).weight for on_trial in (True, False))
    np.testing.assert_allclose(trial[:3].sum(), TRAJECTORY_TRIAL, rtol=1e-6)
    np.testing.assert_allclose(final[:3].sum(), 0.05, rtol=1e-6)


def test_kinds_come_up_as_often_as_their_weights_say():
    weight = np.array([0.2, 0.3, 0.1, *([0.4 / len(JUMPS)] * len(JUMPS))])
    mixture = start(ONE, 3)._replace(weight=weight)
    iterations = np.arange(4181)
    kind, hops = kind_at(mixture, iterations), jumps_at(mixture, iterations)
    np.testing.assert_array_equal(kind.sum(axis=1), 1)
    np.testing.assert_allclose(kind[hops == 0].mean(axis=0) * 0.6, weight[:3], atol=1e-3)
    np.testing.assert_array_equal(kind[7], kind_at(mixture, np.array(7)))


def test_a_trajectory_is_recorded_for_its_kind():
    squared, nothing = np.array([3.0, 6.0]), np.zeros(2)
    kind = np.array([False, True, False])
    after = record(start(ONE, 3), None, squared, nothing, ONE, np.array(5.0), 3, kind)
    np.testing.assert_allclose(after.rate[:, 1], [0, 3, *([0] * (1 + len(JUMPS)))])
    np.testing.assert_allclose(after.cost, [0, 10, *([0] * (1 + len(JUMPS)))])
