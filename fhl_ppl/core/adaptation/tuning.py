"""From what warm-up has learnt to the tuning of an iteration (section 7).

Nothing here looks at a state, so what is tuned cannot depend on it.
"""

from math import inf
from typing import Any

from array_api_compat import device

from fhl_ppl.core.adaptation import (
    checked_scale,
    moves,
    strength,
    trajectory,
)
from fhl_ppl.core.adaptation.plan import Adaptation, Plan
from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.groups import Groups, first_of_group
from fhl_ppl.core.jump import JumpTuning
from fhl_ppl.core.state import Draws
from fhl_ppl.core.transition import Tuning

Array = Any


def tune(
    plan: Plan, adaptation: Adaptation, groups: Groups, iteration: Array, draws: Draws
) -> Tuning:
    """Settle eta, L and lambda of iteration number `iteration` (from 0), looking at no state."""
    step_size, num_steps = tune_steps(plan, adaptation, iteration)
    pulling_strength = tune_pull(plan, adaptation, groups, draws, step_size, num_steps)
    reference = None if plan.estimate_centre is None else adaptation.reference
    tuning = Tuning(
        step_size,
        num_steps,
        pulling_strength,
        adaptation.metric,
        reference,
        splitting=plan.splitting,
    )
    if not plan.jumps:
        return tuning
    jump = tune_jump(adaptation, iteration, draws)
    return tuning._replace(
        num_steps=array_namespace(num_steps).where(jump.happens > 0, 1 + 0 * num_steps, num_steps),
        direction=adaptation.pool.direction,
        jump=jump,
    )


def tune_jump(adaptation: Adaptation, iteration: Array, draws: Draws) -> JumpTuning:
    """Settle whether iteration number `iteration` is one of jumps, and of which."""
    return moves.tune_jump(adaptation.moves, adaptation.pool, iteration, draws.strength)


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
        caps = of_kinds(plan, "max_num_steps", step_size)
        step_size = xp.sum(xp.where(kind, step_size, 0 * step_size), axis=-1)
        cap = xp.sum(xp.where(kind, caps, 0 * caps), axis=-1)
    length = trajectory_length(plan, adaptation)
    if plan.trajectory_length is None:
        length = trajectory.jittered(length, iteration)
    cap = trajectory.steps_cap(iteration, plan.num_warmup, cap, step_size)
    num_steps = trajectory.steps_for(length, step_size, cap, plan.splitting.stages)
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
        scales = scales_of(plan)
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
        chosen = chosen_pulls(adaptation, groups, draws)
        return strength.strength_for(adaptation.mixture, chosen, step_size, num_steps)
    if plan.pulling_strength == 0:
        return None
    return array_namespace(draws.strength).full_like(draws.strength, plan.pulling_strength)


def scales_of(plan: Plan) -> Any:
    """What follows the widest direction: a module with `restart`, `update` and `sigma_max`."""
    return checked_scale if plan.low_rank else trajectory


def of_kinds(plan: Plan, name: str, like: Array) -> Array:
    """One field of all kinds, shape [kind]."""
    values = [float(getattr(kind, name)) for kind in plan.kinds]
    return array_namespace(like).asarray(values, dtype=like.dtype, device=device(like))


def chosen_pulls(adaptation: Adaptation, groups: Groups, draws: Draws) -> Array:
    """Which pull each particle's group has drawn, one-hot, shape [particle, option]."""
    return strength.choose(adaptation.mixture, first_of_group(groups, draws.strength))
