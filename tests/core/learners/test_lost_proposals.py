"""Proposals lost at a wall say nothing about the step size; those of a stuck particle do."""

import numpy as np

from fhl_ppl.core.learners import lost_proposals
from tests.plans import make_plan
from tests.runs import Run

NUM_PARTICLES, DIM, NUM_WARMUP = 8, 3, 300


def half_normal(position):
    inside = np.all(position > 0, axis=1)
    return np.where(inside, np.sum(position**2, axis=1) / 2, np.inf), position


def warm_up(step_size, start, **changes):
    """Steps of every iteration, and where it ends."""
    rng = np.random.default_rng(3)
    position = np.full((NUM_PARTICLES, DIM), start) + 0.1 * rng.random((NUM_PARTICLES, DIM))
    plan = make_plan(NUM_WARMUP, **changes)
    run = Run(plan, half_normal, position, rng, step_size=step_size).go(NUM_WARMUP)
    return np.array([float(info.num_steps) for info in run.infos]), run.state


def test_losses_are_counted_in_a_row():
    losses = np.zeros(2)
    for lost in ([True, True], [True, False], [True, True]):
        losses = lost_proposals.update(losses, np.array(lost))
    np.testing.assert_array_equal(losses, [3, 1])


def test_only_a_particle_that_moves_in_between_is_excused():
    lost = np.array([True, True, False])
    losses = np.array([0.0, lost_proposals.MOST_AT_A_WALL, 0.0])
    np.testing.assert_array_equal(lost_proposals.excused(losses, lost), [True, False, False])
    # Nobody has moved at the start, so that too long a first step is found out at once.
    assert not lost_proposals.excused(lost_proposals.start(losses), lost).any()


def test_a_wall_does_not_make_steps_short():
    steps, _ = warm_up(1.0, 1.0)
    assert steps[100:].mean() < 3


def test_if_all_losses_count_it_does():
    """Break it on purpose: as many steps as the cap allows."""
    steps, _ = warm_up(1.0, 1.0, trusts_gradient=False)
    assert steps[100:].mean() > 20


def test_a_first_step_that_always_hits_the_wall_is_shortened():
    """Far too long for every particle; excused from the start, none would ever move."""
    _, state = warm_up(1e4, 1.0, num_steps=1)
    assert np.all(np.ptp(state.position, axis=0) > 0.2)
