"""Warm-up: all particles feed one estimate, and everything is frozen afterwards (section 7)."""

from math import inf
from typing import Any

from fhl_ppl.core.adaptation import (
    dual_averaging,
    independent,
    low_rank,
    moves,
    patience,
    strength,
    tails,
    trajectory,
    welford,
    windows,
)
from fhl_ppl.core.adaptation.plan import Adaptation, Moments, Plan
from fhl_ppl.core.adaptation.tuning import (
    chosen_pulls,
    of_kinds,
    scales_of,
    trajectory_length,
    tune_jump,
)
from fhl_ppl.core.adaptation.window_end import end_window, nothing_seen, reweigh
from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.control import Control
from fhl_ppl.core.groups import Groups
from fhl_ppl.core.jump import Pool
from fhl_ppl.core.low_rank import make_low_rank
from fhl_ppl.core.metric import AnyMetric, make_metric
from fhl_ppl.core.reference import no_reference
from fhl_ppl.core.state import Draws, Info, State

Array = Any


def start(plan: Plan, state: State, step_size: Array, inverse_mass_matrix: Array) -> Adaptation:
    """Begin with a step size (scalar) and M^-1 ([dim] or [dim, dim])."""
    xp = array_namespace(state.position)
    metric: AnyMetric = make_metric(inverse_mass_matrix)
    if plan.low_rank:
        metric = make_low_rank(inverse_mass_matrix, min(low_rank.RANK, len(inverse_mass_matrix)))
    log_step_size = xp.log(xp.zeros_like(state.potential_energy[0]) + step_size)
    kinds = len(plan.kinds) or 1
    each = xp.stack([log_step_size] * kinds) if plan.kinds else log_step_size
    positions, gradients = nothing_seen(plan, state)
    return Adaptation(
        dual_averaging.start(each),
        patience.start(state.potential_energy),
        metric,
        no_reference(state.position),
        positions,
        0 * state.position[0, :],
        gradients,
        welford.empty(state.position[:, :1], dense=False),
        scales_of(plan).restart(state.position, metric),
        strength.start(log_step_size),
        moves.start(log_step_size, kinds),
        Pool(xp.mean(state.position, axis=0), metric, state.position[0, :] * 0, log_step_size * 0),
    )


def update(
    plan: Plan,
    adaptation: Adaptation,
    groups: Groups,
    iteration: Array,
    draws: Draws,
    state: State,
    info: Info,
    control: Control,
) -> Adaptation:
    """Learn from iteration number `iteration` (from 0), which led to `state` and `info`."""
    kind = moves.kind_at(adaptation.moves, iteration) if plan.kinds else None
    if not plan.jumps:
        learnt = _learn_from_trajectories(plan, adaptation, groups, draws, info, kind)
        tuning = None
    else:
        # Step size and pull learn nothing from jumps.
        tuning = tune_jump(adaptation, iteration, draws)
        learnt = control.cond(
            tuning.happens > 0,
            _same,
            lambda value: _learn_from_trajectories(plan, value, groups, draws, info, kind),
            adaptation,
        )
    if plan.jumps or plan.kinds:
        learnt = learnt._replace(
            moves=moves.record(
                adaptation.moves,
                tuning,
                info.squared_jump,
                info.principal_jump,
                adaptation.pool.variance,
                _cost(plan, info),
                state.position.shape[1],
                kind,
            )
        )
    scale = adaptation.scale
    if plan.low_rank or (plan.num_steps is None and plan.trajectory_length is None):
        scale = scales_of(plan).update(scale, state.position, adaptation.metric)
    distances = adaptation.distances
    if plan.estimate_centre is not None:
        apart = tails.squared_distance(
            adaptation.metric, adaptation.reference.centre, state.position
        )
        distances = welford.update(distances, apart)
    positions, gradients = _see(plan, adaptation, iteration, state, control)
    learnt = learnt._replace(
        positions=positions,
        apart=adaptation.apart + independent.difference(state.position),
        gradients=gradients,
        distances=distances,
        scale=scale,
    )
    done = iteration + 1
    window_ended = sum((done == end) * 1 for end in plan.window_ends) > 0
    is_over = done == plan.num_warmup
    learnt = control.cond(
        window_ended | is_over, lambda value: reweigh(plan, value, done), _same, learnt
    )
    learnt = control.cond(window_ended, lambda value: end_window(plan, value, state), _same, learnt)
    return control.cond(is_over, _freeze, _same, learnt)


def _same(value: Any) -> Any:
    return value


def _see(
    plan: Plan, adaptation: Adaptation, iteration: Array, state: State, control: Control
) -> tuple[Moments, Moments]:
    """Moments of positions and of gradients with those of `state`."""
    positions, gradients = adaptation.positions, adaptation.gradients
    if not plan.low_rank:
        return welford.update(positions, state.position), welford.update(gradients, state.gradient)
    metric: Any = adaptation.metric
    seen = (
        low_rank.update(positions, state.position, metric.straighten(state.position)),
        low_rank.update(gradients, state.gradient, metric.straighten_gradient(state.gradient)),
    )
    due, slot = windows.slot_due(iteration, plan.window_ends, positions.rows.shape[0])
    return control.cond(
        due > 0,
        lambda value: (
            low_rank.keep(value[0], state.position, slot),
            low_rank.keep(value[1], state.gradient, slot),
        ),
        _same,
        seen,
    )


def _learn_from_trajectories(
    plan: Plan, adaptation: Adaptation, groups: Groups, draws: Draws, info: Info, kind: Array | None
) -> Adaptation:
    step, mixture = adaptation.step, adaptation.mixture
    if plan.adapt_step_size:
        target: Any = plan.target_accept_prob
        if plan.kinds:
            target = of_kinds(plan, "target_accept_prob", step.log_step_size)
        step = dual_averaging.update(
            step,
            groups,
            info.accept_prob,
            _witnesses(plan, adaptation, info),
            target,
            _longest_step(plan, adaptation),
            True if kind is None else kind,
        )
    if plan.pulling_strength is None:
        chosen = chosen_pulls(adaptation, groups, draws)
        mixture = strength.record(
            mixture, chosen, info.squared_jump, info.is_pulled, _cost(plan, info)
        )
    losses = patience.update(adaptation.losses, info.is_lost)
    return adaptation._replace(step=step, losses=losses, mixture=mixture)


def _cost(plan: Plan, info: Info) -> Array:
    return plan.energy_cost + plan.force_cost * info.num_steps


def _witnesses(plan: Plan, adaptation: Adaptation, info: Info) -> Array:
    """Whose acceptance tunes the step size, shape [particle].

    What the pull costs does not vanish with the step size, so the free particles are asked. Only
    where a fixed strength leaves none (joint coupling) must the pulled ones do. Nor does what a
    wall costs, but with a wrong force shorter trajectories are the only remedy for that too.
    """
    asked = info.is_free
    if plan.pulling_strength is not None:
        asked = asked | ~array_namespace(asked).any(asked)
    if plan.trusts_gradient:
        asked = asked & ~patience.excused(adaptation.losses, info.is_lost)
    return asked


def _longest_step(plan: Plan, adaptation: Adaptation) -> Array:
    """The longest step that T allows; acceptance says nothing about longer ones."""
    xp = array_namespace(adaptation.step.log_step_size)
    if plan.num_steps is not None:
        return xp.full_like(adaptation.step.log_step_size, inf)
    longest = trajectory.longest(trajectory_length(plan, adaptation))
    return longest / of_kinds(plan, "min_num_steps", longest) if plan.kinds else longest


def _freeze(adaptation: Adaptation) -> Adaptation:
    """Settle on the averaged step size."""
    step = adaptation.step
    return adaptation._replace(step=step._replace(log_step_size=step.log_average))
