"""Trajectories and jumps in whole runs: when they are made, by what, and what they are good for."""

import numpy as np
import pytest

from fhl_ppl.core.learners import fitted_gaussian
from fhl_ppl.core.learners.move_shares import JUMP_FLOOR, TRAJECTORY_FLOOR, TRIAL_SHARE
from fhl_ppl.core.learners.strays import without_strays
from fhl_ppl.core.learners.windows import window_ends
from fhl_ppl.core.metrics import dense_fit as estimates
from fhl_ppl.core.moments import independent, welford
from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.moves.choice import jumps_at
from fhl_ppl.core.state import State
from fhl_ppl.core.trajectory.reference import FREQUENCY
from tests.plans import WITHIN_MODES, make_plan
from tests.runs import Run, leaves
from tests.targets import FORCES, TARGETS, with_force

UNTRUSTED = {
    "estimate_metric": estimates.from_positions,
    "estimate_centre": None,
    "max_num_steps": 4,
    "target_accept_prob": 0.6,
    "trajectory_floor": 0.05,
}
"""As for a gradient that may be wrong."""


def go_on(target, num_warmup=200, num_samples=100, force="right", seed=0, **changes):
    position = 3 * np.random.default_rng(seed).standard_normal((16, TARGETS[target].dim))
    evaluate = with_force(TARGETS[target], FORCES[force])
    return go(make_plan(num_warmup, **changes), evaluate, position, num_samples, seed)


def go(plan, evaluate, position, num_samples, seed=0):
    rng = np.random.default_rng(seed)
    run = Run(plan, evaluate, position, rng, group_size=8, step_size=0.5)
    return run.go(plan.num_warmup + num_samples)


def weights(learnt):
    """Probability of every move."""
    return np.concatenate([learnt["move_shares"].kinds, learnt["move_shares"].jumps])


def assert_weights(weight, on_trial, trajectory_floor):
    np.testing.assert_allclose(weight.sum(), 1, rtol=1e-12)
    assert weight[0] >= trajectory_floor * (1 - 1e-12)
    between = np.array([JUMPS[name].between_modes for name in JUMPS])
    lowest = TRIAL_SHARE if on_trial else JUMP_FLOOR
    assert (weight[1:][~between] >= lowest * (1 - 1e-12)).all()
    # There is one mode.
    assert (weight[1:][between] == 0).all()


def happened(run):
    return np.array([int(tuning.jump.happens) for tuning in run.tunings])


def test_the_first_window_has_no_jumps_and_the_last_weights_stay():
    run = go_on("skewed")
    first, *_, last = window_ends(200)
    assert not happened(run)[:first].any()
    # On trial all through the rest of warm-up, at most as often as the floor allows.
    assert 0.15 < happened(run)[first:200].mean() <= 1 - TRAJECTORY_FLOOR + 0.01
    before = np.array([weights(known) for known in run.known])
    changes = 1 + np.flatnonzero((np.diff(before, axis=0) != 0).any(axis=1))
    np.testing.assert_array_equal(changes, [*window_ends(200), 200])
    for weight in before[first:200]:
        assert_weights(weight, True, TRAJECTORY_FLOOR)
    for weight in before[200:]:
        assert_weights(weight, False, TRAJECTORY_FLOOR)
        np.testing.assert_array_equal(weight, weights(run.learnt))
    expected = [int(jumps_at(run.learnt["move_shares"].kinds, k)) for k in range(200, 300)]
    np.testing.assert_array_equal(happened(run)[200:], expected)
    assert run.learnt["fitted_gaussian"].centre is run.tunings[-1].jump.fitted.centre
    assert last < 200


@pytest.mark.parametrize("trusts_gradient", [True, False])
def test_the_fitted_gaussian_is_the_last_window_a_little_widened(trusts_gradient):
    options = {"window_ends": (20, 50), "trusts_gradient": trusts_gradient, "jumps": WITHIN_MODES}
    run = go_on("skewed", 60, 10, **options)
    fitted, metric = run.learnt["fitted_gaussian"], run.learnt["metric"]
    evaluate = TARGETS["skewed"].potential_and_gradient
    states = [without_strays(State(q, *evaluate(q))) for q in run.positions[20:50]]
    positions = np.array([state.position for state in states])
    seen = positions.reshape(-1, 3)
    np.testing.assert_allclose(fitted.centre, seen.mean(axis=0), rtol=1e-10)
    empty = welford.empty(seen, dense=True)
    wider = 1 + fitted_gaussian.WIDER / np.sqrt(3)
    root_wider = seen.mean(axis=0) + np.sqrt(wider) * (seen - seen.mean(axis=0))
    apart = sum(map(independent.difference, positions))
    count = independent.independent_draws(apart, welford.update(empty, seen), 16)
    count = None if trusts_gradient else count
    expected = estimates.from_positions(welford.update(empty, root_wider), None, draws=count)
    for got, wanted in zip(fitted.metric, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-10)
    whitened = seen @ metric.whitener.T
    np.testing.assert_allclose(np.sum(fitted.direction**2), 1, rtol=1e-12)
    variance = np.var(whitened @ fitted.direction, ddof=1)
    np.testing.assert_allclose(fitted.variance, variance, rtol=1e-9)
    largest = np.linalg.eigvalsh(np.cov(whitened.T))[-1]
    np.testing.assert_allclose(fitted.variance, largest, rtol=1e-9)
    # The centre of the reference is the one that the scores give.
    gradients = TARGETS["skewed"].potential_and_gradient(seen)[1]
    centre = estimates.centre_from_scores(
        metric, welford.update(empty, seen), welford.update(empty, gradients)
    )
    reference = run.learnt["reference"].reference
    np.testing.assert_allclose(reference.centre, centre, rtol=1e-9, atol=1e-10)
    assert 0 < reference.frequency <= FREQUENCY
    # And both were what the tunings went by, from then on.
    for tuning in run.tunings[50:]:
        assert tuning.jump.fitted is fitted
        assert tuning.direction is fitted.direction
        assert tuning.reference is reference


def test_before_the_first_window_ends_the_drift_is_straight():
    run = go_on("gaussian", 60, 0)
    first = window_ends(60)[0]
    frequency = [float(tuning.reference.frequency) for tuning in run.tunings]
    np.testing.assert_array_equal(frequency[:first], 0)
    assert all(0 < omega <= FREQUENCY for omega in frequency[first:])
    leapfrog = go_on("gaussian", 60, 0, estimate_centre=None)
    assert {tuning.reference for tuning in leapfrog.tunings} == {None}


def test_without_jumps_there_are_none():
    run = go_on("gaussian", 60, 10, jumps=())
    assert {tuning.jump for tuning in run.tunings} == {None}
    assert {tuning.direction for tuning in run.tunings} == {None}
    np.testing.assert_array_equal(weights(run.learnt), [1])


def test_too_short_a_warm_up_leaves_no_jumps():
    run = go_on("gaussian", 8, 30)
    assert not happened(run).any()


def test_step_size_and_pull_learn_nothing_from_jumps():
    run = go_on("gaussian", 100, 0, window_ends=(20,))
    # Both count the iterations of trajectories since the window.
    trajectories = np.sum(1 - happened(run)[20:])
    assert run.learnt["step_size"].count == trajectories < 80
    steps = sum(
        float(info.num_steps) * info.is_pulled.sum()
        for info, hop in zip(run.infos[20:], happened(run)[20:], strict=True)
        if not hop
    )
    # Freezing has halved the record, as the window did with that before it.
    early = sum(float(info.num_steps) * info.is_pulled.sum() for info in run.infos[:20])
    gradients = run.learnt["pull"].gradients.sum()
    np.testing.assert_allclose(gradients, (steps + early / 2) / 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_run_keeps_its_precision(dtype):
    position = np.random.default_rng(1).standard_normal((8, 3)).astype(dtype)
    evaluate = TARGETS["gaussian"].potential_and_gradient
    # Counted in plain numbers, as on a host.
    run = Run(make_plan(40), evaluate, position, np.random.default_rng(2), number=int)
    for _ in range(60):
        run.go(1)
        # The weights of the kicks are plain numbers.
        tuning = run.tunings[-1]._replace(splitting=None)
        for leaf in leaves((run.state, run.infos[-1], run.learnt, tuning)):
            kind = np.asarray(leaf).dtype
            assert kind == dtype or not np.issubdtype(kind, np.floating)
    assert weights(run.learnt)[0] < 1


def test_with_a_zero_gradient_jumps_win():
    for seed in range(3):
        run = go_on("gaussian", 300, 0, force="zero", seed=seed, **UNTRUSTED)
        assert weights(run.learnt)[0] < 0.1
        assert_weights(weights(run.learnt), False, 0.05)


@pytest.mark.parametrize("floor", [TRAJECTORY_FLOOR, 0.05])
def test_with_a_good_gradient_trajectories_keep_their_floor(floor):
    run = go_on("gaussian", 300, 0, trajectory_floor=floor)
    assert_weights(weights(run.learnt), False, floor)


# Two modes, six standard deviations apart.

SHARE = 0.3
FAR = np.array([6.0, 0, 0, 0, 0])


def two_modes(position):
    """(1 - SHARE) N(0, I) + SHARE N(FAR, I) in five dimensions."""
    near = np.sum(position**2, axis=1) / 2 - np.log(1 - SHARE)
    far = np.sum((position - FAR) ** 2, axis=1) / 2 - np.log(SHARE)
    energy = -np.logaddexp(-near, -far)
    return energy, position - np.exp(energy - far)[:, None] * FAR


def assert_modes_have_their_weights(jumps=tuple(JUMPS), force=None, seed=3, **changes):
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
    is_far = np.array(run.positions[300:])[:, :, 0] > 3
    np.testing.assert_allclose(is_far.mean(), SHARE, atol=0.03)
    np.testing.assert_allclose(is_far.mean(axis=0), SHARE, atol=0.15)


def test_jumps_give_two_modes_their_weights():
    assert_modes_have_their_weights()


def test_jumps_give_two_modes_their_weights_without_a_gradient():
    assert_modes_have_their_weights(force=FORCES["zero"], **UNTRUSTED)


def test_without_jumps_two_modes_do_not_get_their_weights():
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_modes_have_their_weights(jumps=(), seed=5)
