"""Warm-up: all particles feed one estimate, and everything is frozen afterwards (section 7)."""

from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

from array_api_compat import device

from fhl_ppl.core.adaptation import (
    checked_scale,
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
from fhl_ppl.core.adaptation.checked_scale import CheckedScale
from fhl_ppl.core.adaptation.dual_averaging import DualAveraging
from fhl_ppl.core.adaptation.metric import from_positions, widest_direction
from fhl_ppl.core.adaptation.moves import Moves
from fhl_ppl.core.adaptation.strength import StrengthMixture
from fhl_ppl.core.adaptation.trajectory import Kind, PrincipalScale
from fhl_ppl.core.adaptation.welford import Welford
from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.control import Control
from fhl_ppl.core.groups import Groups, first_of_group
from fhl_ppl.core.jump import JumpTuning, Pool
from fhl_ppl.core.low_rank import make_low_rank
from fhl_ppl.core.metric import AnyMetric, make_metric
from fhl_ppl.core.reference import Reference, no_reference
from fhl_ppl.core.state import Draws, Info, State
from fhl_ppl.core.transition import Tuning

Array = Any
Moments = Any
"""A `Welford`, or for a low-rank metric a `low_rank.Sample`."""


WIDER = 0.5
"""How much more variance the pool gets, times the root of the dimension."""


class Plan(NamedTuple):
    """What was asked for: plain Python values, fixed before the run. None means "choose it".

    Attributes
    ----------
    num_warmup
        Iterations during which to adapt.
    window_ends
        Iterations after which the metric is renewed, from `windows.window_ends`.
    target_accept_prob
        Acceptance that the step size aims at, see `dual_averaging.acceptance`.
    adapt_step_size
        Whether to adapt eta at all.
    estimate_metric
        `metric.from_scores` or `metric.from_positions`, (positions, gradients, draws=n) -> Metric;
        None keeps the metric as it is.
    estimate_centre
        `metric.centre_from_scores`, (metric, positions, gradients) -> c; the reference is fitted
        with it. None goes without: leapfrog steps.
    dense
        Whether to collect full covariances, [dim, dim], or variances, [dim].
    low_rank
        Whether the metric is a `LowRankMetric`, and `low_rank.Sample` is what is collected for it.
    trajectory_length
        T = eta L, in units of the whitened space.
    num_steps
        L; takes precedence over `trajectory_length`.
    max_num_steps
        Cap on L where it is not given.
    pulling_strength
        lambda.
    jumps
        Whether to mix jumps with the trajectories.
    trajectory_floor, jump_floor
        Shares of the iterations that trajectories, and each of the jumps, keep.
    trusts_gradient
        Whether the force is the gradient of U. If not, all lost proposals count against eta
        (`patience`), and positions count for as many as are independent (`independent`).
    energy_cost, force_cost
        What an iteration costs by itself, and for each evaluation of the force: with a minibatch
        the energy of all rows is what is dear.
    min_step_size, max_step_size
        Bounds on eta.
    kinds
        Kinds of trajectories to choose from, in place of `target_accept_prob` and `max_num_steps`;
        each has an eta of its own. Empty: there is one.
    """

    num_warmup: int
    window_ends: tuple[int, ...]
    target_accept_prob: float
    adapt_step_size: bool
    estimate_metric: Callable[..., AnyMetric] | None
    dense: bool
    trajectory_length: float | None
    num_steps: int | None
    max_num_steps: int
    pulling_strength: float | None
    estimate_centre: Callable[[AnyMetric, Any, Any], Array] | None = None
    low_rank: bool = False
    jumps: bool = False
    trajectory_floor: float = moves.TRAJECTORY_FLOOR
    jump_floor: float = moves.JUMP_FLOOR
    trusts_gradient: bool = False
    energy_cost: float = 0.0
    force_cost: float = 1.0
    min_step_size: float = 0.0
    max_step_size: float = inf
    kinds: tuple[Kind, ...] = ()


class Adaptation(NamedTuple):
    """What warm-up has learnt so far; see the classes of the fields."""

    step: DualAveraging
    losses: Array
    metric: AnyMetric
    reference: Reference
    positions: Moments
    apart: Array
    gradients: Moments
    distances: Welford
    scale: PrincipalScale | CheckedScale
    mixture: StrengthMixture
    moves: Moves
    pool: Pool


def start(plan: Plan, state: State, step_size: Array, inverse_mass_matrix: Array) -> Adaptation:
    """Begin with a step size (scalar) and M^-1 ([dim] or [dim, dim])."""
    xp = array_namespace(state.position)
    metric: AnyMetric = make_metric(inverse_mass_matrix)
    if plan.low_rank:
        metric = make_low_rank(inverse_mass_matrix, min(low_rank.RANK, len(inverse_mass_matrix)))
    log_step_size = xp.log(xp.zeros_like(state.potential_energy[0]) + step_size)
    kinds = len(plan.kinds) or 1
    each = xp.stack([log_step_size] * kinds) if plan.kinds else log_step_size
    positions, gradients = _nothing_seen(plan, state)
    return Adaptation(
        dual_averaging.start(each),
        patience.start(state.potential_energy),
        metric,
        no_reference(state.position),
        positions,
        0 * state.position[0, :],
        gradients,
        welford.empty(state.position[:, :1], dense=False),
        _scales(plan).restart(state.position, metric),
        strength.start(log_step_size),
        moves.start(log_step_size, kinds),
        Pool(xp.mean(state.position, axis=0), metric, state.position[0, :] * 0, log_step_size * 0),
    )


def tune(
    plan: Plan, adaptation: Adaptation, groups: Groups, iteration: Array, draws: Draws
) -> Tuning:
    """Settle eta, L and lambda of iteration number `iteration` (from 0), looking at no state."""
    step_size, num_steps = tune_steps(plan, adaptation, iteration)
    pulling_strength = tune_pull(plan, adaptation, groups, draws, step_size, num_steps)
    reference = None if plan.estimate_centre is None else adaptation.reference
    if not plan.jumps:
        return Tuning(step_size, num_steps, pulling_strength, adaptation.metric, reference)
    jump = tune_jump(adaptation, groups, iteration, draws)
    return Tuning(
        step_size,
        array_namespace(num_steps).where(jump.happens > 0, 1 + 0 * num_steps, num_steps),
        pulling_strength,
        adaptation.metric,
        reference,
        adaptation.pool.direction,
        jump,
    )


def tune_jump(adaptation: Adaptation, groups: Groups, iteration: Array, draws: Draws) -> JumpTuning:
    """Settle whether iteration number `iteration` is one of jumps, and of which."""
    uniform = first_of_group(groups, draws.strength)
    return moves.tune_jump(adaptation.moves, adaptation.pool, iteration, uniform)


def tune_steps(plan: Plan, adaptation: Adaptation, iteration: Array) -> tuple[Array, Array]:
    """Settle eta and L from `adaptation.step` and `adaptation.scale` alone.

    Both are scalars; L is an array if `iteration` is, for several iterations of one tuning.
    """
    step_size = longest_step_size(plan, adaptation)
    xp = array_namespace(adaptation.step.log_step_size)
    if plan.num_steps is not None:
        return step_size, xp.full_like(step_size, plan.num_steps)
    cap = plan.max_num_steps
    if plan.kinds:
        kind = moves.kind_at(adaptation.moves, iteration)
        caps = _of_kinds(plan, "max_num_steps", step_size)
        step_size = xp.sum(xp.where(kind, step_size, 0 * step_size), axis=-1)
        cap = xp.sum(xp.where(kind, caps, 0 * caps), axis=-1)
    length = trajectory_length(plan, adaptation)
    if plan.trajectory_length is None:
        length = trajectory.jittered(length, iteration)
    cap = trajectory.steps_cap(iteration, plan.num_warmup, cap, step_size)
    num_steps = trajectory.steps_for(length, step_size, cap)
    # Steps a little shorter than they may be reach T with a whole number of them.
    step_size = xp.minimum(step_size, length / num_steps)
    if plan.min_step_size > 0:
        step_size = xp.clip(step_size, plan.min_step_size, None)
    return step_size, num_steps


def longest_step_size(plan: Plan, adaptation: Adaptation) -> Array:
    """eta, a scalar, before it is shortened to make up T with a whole number of steps."""
    xp = array_namespace(adaptation.step.log_step_size)
    step_size = xp.exp(adaptation.step.log_step_size)
    if plan.min_step_size > 0 or plan.max_step_size < inf:
        step_size = xp.clip(step_size, plan.min_step_size, plan.max_step_size)
    return step_size


def trajectory_length(plan: Plan, adaptation: Adaptation) -> Array:
    """T before the jitter, a scalar."""
    if plan.trajectory_length is None:
        scales = _scales(plan)
        return scales.LENGTH_FACTOR * scales.sigma_max(adaptation.scale)
    xp = array_namespace(adaptation.step.log_step_size)
    return xp.full_like(adaptation.step.log_step_size, plan.trajectory_length)


def tune_pull(
    plan: Plan,
    adaptation: Adaptation,
    groups: Groups,
    draws: Draws,
    step_size: Array,
    num_steps: Array,
) -> Array | None:
    """Settle lambda, shape [particle]; None if it is 0 by plan."""
    if plan.pulling_strength is None:
        chosen = _chosen(adaptation, groups, draws)
        return strength.strength_for(adaptation.mixture, chosen, step_size, num_steps)
    if plan.pulling_strength == 0:
        return None
    return array_namespace(draws.strength).full_like(draws.strength, plan.pulling_strength)


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
        tuning = tune_jump(adaptation, groups, iteration, draws)
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
        scale = _scales(plan).update(scale, state.position, adaptation.metric)
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
        window_ended | is_over, lambda value: _reweigh(plan, value, done), _same, learnt
    )
    learnt = control.cond(
        window_ended, lambda value: _end_window(plan, value, state), _same, learnt
    )
    return control.cond(is_over, _freeze, _same, learnt)


def _same(value: Any) -> Any:
    return value


def _scales(plan: Plan) -> Any:
    """What follows the widest direction: a module with `restart`, `update` and `sigma_max`."""
    return checked_scale if plan.low_rank else trajectory


def _nothing_seen(plan: Plan, state: State) -> tuple[Moments, Moments]:
    """Moments of positions and of gradients to begin a window with."""
    if plan.low_rank:
        return low_rank.empty(state.position), low_rank.empty(state.gradient)
    return welford.empty(state.position, plan.dense), welford.empty(state.position, plan.dense)


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
            target = _of_kinds(plan, "target_accept_prob", step.log_step_size)
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
        chosen = _chosen(adaptation, groups, draws)
        mixture = strength.record(
            mixture, chosen, info.squared_jump, info.is_pulled, _cost(plan, info)
        )
    losses = patience.update(adaptation.losses, info.is_lost)
    return adaptation._replace(step=step, losses=losses, mixture=mixture)


def _of_kinds(plan: Plan, name: str, like: Array) -> Array:
    """One field of all kinds, shape [kind]."""
    values = [float(getattr(kind, name)) for kind in plan.kinds]
    return array_namespace(like).asarray(values, dtype=like.dtype, device=device(like))


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
    return longest / _of_kinds(plan, "min_num_steps", longest) if plan.kinds else longest


def _chosen(adaptation: Adaptation, groups: Groups, draws: Draws) -> Array:
    return strength.choose(adaptation.mixture, first_of_group(groups, draws.strength))


def _end_window(plan: Plan, adaptation: Adaptation, state: State) -> Adaptation:
    """Renew the metric, and restart what was measured in the old one."""
    metric, reference = adaptation.metric, adaptation.reference
    count = independent.independent_draws(
        adaptation.apart, adaptation.positions, state.position.shape[0]
    )
    if plan.estimate_metric is not None:
        estimate = plan.estimate_metric(adaptation.positions, adaptation.gradients, draws=count)
        metric = _if_finite(estimate, metric)
    if plan.estimate_centre is not None:
        centre = plan.estimate_centre(metric, adaptation.positions, adaptation.gradients)
        heaviness = tails.tail_weight(
            adaptation.distances, adaptation.metric, reference.centre, adaptation.positions
        )
        reference = _if_finite(Reference(centre, tails.frequency(heaviness)), reference)
    step = adaptation.step
    positions, gradients = _nothing_seen(plan, state)
    return Adaptation(
        dual_averaging.restart(step) if plan.adapt_step_size else step,
        adaptation.losses,
        metric,
        reference,
        positions,
        0 * state.position[0, :],
        gradients,
        welford.empty(state.position[:, :1], dense=False),
        _scales(plan).restart(state.position, metric),
        adaptation.mixture,
        adaptation.moves,
        _end_pool(plan, adaptation, metric, count),
    )


def _reweigh(plan: Plan, adaptation: Adaptation, done: Array) -> Adaptation:
    """Turn the records of pulls and moves into weights, after `done` iterations."""
    xp = array_namespace(adaptation.losses)
    on_trial = done < xp.full_like(adaptation.losses[0], plan.num_warmup)
    weighed = adaptation._replace(mixture=strength.reweigh(adaptation.mixture, on_trial))
    if not (plan.jumps or plan.kinds):
        return weighed
    floors = plan.trajectory_floor, plan.jump_floor
    return weighed._replace(
        moves=moves.reweigh(adaptation.moves, on_trial, *floors, jumps=plan.jumps)
    )


def _end_pool(plan: Plan, adaptation: Adaptation, metric: Any, draws: Array) -> Pool:
    if not plan.jumps:
        return adaptation.pool
    seen = adaptation.positions
    # A Gaussian with too thin a tail would hold on to particles far out; in dim dimensions this
    # much more variance costs it an eighth of its acceptance.
    wider = 1 + WIDER / seen.mean.shape[0] ** 0.5
    seen_metric: AnyMetric
    if plan.low_rank:
        found = low_rank.from_positions(seen, adaptation.gradients)
        seen_metric = found._replace(scale=wider**0.5 * found.scale)
        old: Any = adaptation.metric
        scale: Any = adaptation.scale
        direction, variance = low_rank.widest_direction(
            old, checked_scale.widest(scale), metric, seen
        )
    else:
        widened = seen._replace(scatter=wider * seen.scatter)
        # Shrunk by fewer draws the Gaussian of a hierarchical posterior is a poor one, and with a
        # true gradient there are draws enough.
        count = None if plan.trusts_gradient else draws
        seen_metric = from_positions(widened, adaptation.gradients, draws=count)
        direction, variance = widest_direction(metric, seen)
    return Pool(seen.mean, _if_finite(seen_metric, adaptation.pool.metric), direction, variance)


def _if_finite(estimate: Any, fallback: Any) -> Any:
    """The one if all of its parts are finite, else the other: both are named tuples of a kind."""
    xp = array_namespace(fallback[0])
    finite = True
    for part in estimate:
        finite = finite & xp.all(xp.isfinite(part))
    return type(fallback)(
        *(xp.where(finite, new, old) for new, old in zip(estimate, fallback, strict=True))
    )


def _freeze(adaptation: Adaptation) -> Adaptation:
    """Settle on the averaged step size."""
    step = adaptation.step
    return adaptation._replace(step=step._replace(log_step_size=step.log_average))
