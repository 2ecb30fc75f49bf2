"""Proposals lost at a wall say nothing about the step size; those of a stuck particle do."""

import numpy as np

from fhl_ppl.core import tuning as tuning_rules
from fhl_ppl.core import warmup
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.iteration import iterate
from fhl_ppl.core.learners import lost_proposals as patience
from fhl_ppl.core.state import State
from tests.loops import draw
from tests.plans import make_plan

NUM_PARTICLES, DIM, NUM_WARMUP = 8, 3, 300


def half_normal(position):
    inside = np.all(position > 0, axis=1)
    return np.where(inside, np.sum(position**2, axis=1) / 2, np.inf), position


def warm_up(step_size, start, **changes):
    plan, rng = make_plan(NUM_WARMUP, **changes), np.random.default_rng(3)
    position = np.full((NUM_PARTICLES, DIM), start) + 0.1 * rng.random((NUM_PARTICLES, DIM))
    state = State(position, *half_normal(position))
    groups = make_groups(NUM_PARTICLES, 4, like=position)
    adaptation = warmup.start(plan, state, np.asarray(step_size), np.eye(DIM))
    steps = []
    for number in map(np.asarray, range(NUM_WARMUP)):
        draws = draw(rng, NUM_PARTICLES, DIM)
        tuning = tuning_rules.tune(plan, adaptation, groups, number, draws)
        alternate = COUPLINGS["alternate"]
        state, info = iterate(state, draws, tuning, groups, alternate, half_normal, PYTHON)
        adaptation = warmup.update(plan, adaptation, groups, number, draws, state, info, PYTHON)
        steps.append(float(info.num_steps))
    return np.array(steps), state


def test_losses_are_counted_in_a_row():
    losses = np.zeros(2)
    for lost in ([True, True], [True, False], [True, True]):
        losses = patience.update(losses, np.array(lost))
    np.testing.assert_array_equal(losses, [3, 1])


def test_only_a_particle_that_moves_in_between_is_excused():
    lost = np.array([True, True, False])
    losses = np.array([0.0, patience.PATIENCE, 0.0])
    np.testing.assert_array_equal(patience.excused(losses, lost), [True, False, False])
    # Nobody has moved at the start, so that too long a first step is found out at once.
    assert not patience.excused(patience.start(losses), lost).any()


def test_a_wall_does_not_make_steps_short():
    steps, _ = warm_up(1.0, 1.0)
    assert steps[100:].mean() < 3


def test_without_patience_it_does():
    """Break it on purpose: as many steps as the cap allows."""
    steps, _ = warm_up(1.0, 1.0, trusts_gradient=False)
    assert steps[100:].mean() > 20


def test_a_first_step_that_always_hits_the_wall_is_shortened():
    """Far too long for every particle; excused from the start, none would ever move."""
    _, state = warm_up(1e4, 1.0, num_steps=1)
    assert np.all(np.ptp(state.position, axis=0) > 0.2)
