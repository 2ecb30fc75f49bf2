"""What warm-up has settled on, in the numbers that a reader of the run wants to see."""

from typing import Any, NamedTuple

from array_api_compat import device

from fhl_ppl.core.adaptation import moves, trajectory, tuning
from fhl_ppl.core.adaptation.plan import Adaptation, Plan
from fhl_ppl.core.arrays import array_namespace

Array = Any


class Settled(NamedTuple):
    """What all iterations after warm-up have in common.

    Attributes
    ----------
    step_size
        eta, scalar, of the most frequent kind of trajectory; steps are a little shorter where a
        whole number of them has to make up T.
    trajectory_length
        T before the jitter, in units of the whitened space, scalar.
    capped
        Share of the trajectories that `max_num_steps` cuts short, scalar.
    kappa, pull_weight
        The pulls on offer, as lambda T^2, and their probabilities, shape [option].
    move_weight
        Probabilities of the trajectories and of each of the jumps, in the order of
        `core.jumps.MOVES`, shape [move].
    """

    step_size: Array
    trajectory_length: Array
    capped: Array
    kappa: Array
    pull_weight: Array
    move_weight: Array


def settled(plan: Plan, adaptation: Adaptation) -> Settled:
    """Read it off an adaptation whose warm-up is over."""
    step_size = tuning.longest_step_size(plan, adaptation)
    max_num_steps: Any = plan.max_num_steps
    kinds = moves.count_kinds(adaptation.moves)
    weight = adaptation.moves.weight
    if plan.kinds:
        xp = array_namespace(weight)
        most_used = xp.argmax(weight[:kinds])
        step_size = xp.take(step_size, most_used)
        steps = [kind.max_num_steps for kind in plan.kinds]
        max_num_steps = xp.take(
            xp.asarray(steps, dtype=weight.dtype, device=device(weight)), most_used
        )
    length = tuning.trajectory_length(plan, adaptation)
    capped = 0 * step_size
    if plan.num_steps is not None:
        length = plan.num_steps * step_size
    else:
        reach = max_num_steps * step_size
        if plan.trajectory_length is None:
            capped = trajectory.share_beyond(reach, length)
        else:
            capped = capped + 1 * (length > reach)
    mixture = adaptation.mixture
    xp = array_namespace(mixture.weight)
    total = xp.sum(mixture.weight)
    return Settled(
        step_size,
        length,
        capped,
        mixture.kappa,
        mixture.weight / total,
        xp.concat([moves.trajectory_share(adaptation.moves)[None], weight[kinds:]]),
    )
