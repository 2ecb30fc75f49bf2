"""The end of a window: a new metric, and new records of what is measured in it (section 7)."""

from typing import Any

from fhl_ppl.core.adaptation import (
    checked_scale,
    dual_averaging,
    independent,
    low_rank,
    moves,
    strength,
    tails,
    welford,
)
from fhl_ppl.core.adaptation.metric import from_positions, widest_direction
from fhl_ppl.core.adaptation.plan import Adaptation, Moments, Plan
from fhl_ppl.core.adaptation.tuning import scales_of
from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.jump import Pool
from fhl_ppl.core.metric import AnyMetric
from fhl_ppl.core.reference import Reference
from fhl_ppl.core.state import State

Array = Any

WIDER = 0.5
"""How much more variance the pool gets, times the root of the dimension."""


def nothing_seen(plan: Plan, state: State) -> tuple[Moments, Moments]:
    """Moments of positions and of gradients to begin a window with."""
    if plan.low_rank:
        return low_rank.empty(state.position), low_rank.empty(state.gradient)
    return welford.empty(state.position, plan.dense), welford.empty(state.position, plan.dense)


def end_window(plan: Plan, adaptation: Adaptation, state: State) -> Adaptation:
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
    positions, gradients = nothing_seen(plan, state)
    return Adaptation(
        dual_averaging.restart(step) if plan.adapt_step_size else step,
        adaptation.losses,
        metric,
        reference,
        positions,
        0 * state.position[0, :],
        gradients,
        welford.empty(state.position[:, :1], dense=False),
        scales_of(plan).restart(state.position, metric),
        adaptation.mixture,
        adaptation.moves,
        _end_pool(plan, adaptation, metric, count),
    )


def reweigh(plan: Plan, adaptation: Adaptation, done: Array) -> Adaptation:
    """Turn the records of pulls and moves into weights, after `done` iterations."""
    xp = array_namespace(adaptation.losses)
    on_trial = done < xp.full_like(adaptation.losses[0], plan.num_warmup)
    handicap = strength.HANDICAP if plan.trusts_gradient else 1.0
    weighed = adaptation._replace(mixture=strength.reweigh(adaptation.mixture, on_trial, handicap))
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
