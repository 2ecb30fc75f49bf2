"""From what has been learnt to the tuning of an iteration (section 7).

Nothing here looks at a state, so what is tuned cannot depend on it.
"""

from typing import TYPE_CHECKING, Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.groups import Groups
from fhl_ppl.core.iteration import Tuning
from fhl_ppl.core.learners import unseen_steps
from fhl_ppl.core.learners.learner import Learnt, homes_of
from fhl_ppl.core.learners.pull import strength_for
from fhl_ppl.core.moves.choice import choose_jumps, kind_at
from fhl_ppl.core.state import Draws

if TYPE_CHECKING:
    from fhl_ppl.core.sampler import Sampler

Array = Any


def tune(
    sampler: "Sampler", learnt: Learnt, groups: Groups, iteration: Array, draws: Draws
) -> Tuning:
    """Settle everything about iteration number `iteration` (from 0), looking at no state."""
    kind = tune_kind(sampler, learnt, iteration)
    step_size, num_steps = tune_steps(sampler, learnt, iteration, kind)
    pull, strength = tune_pull(sampler, learnt, groups, draws, step_size, num_steps)
    fits_reference = sampler.learners["reference"].estimate_centre is not None
    tuning = Tuning(
        step_size,
        num_steps,
        strength,
        learnt["metric"],
        learnt["reference"].reference if fits_reference else None,
        splitting=sampler.splitting,
        pull=pull,
        kind=kind,
        homes=homes_of(learnt),
    )
    if not sampler.jumps:
        return tuning
    fitted, shares = learnt["fitted_gaussian"], learnt["move_shares"]
    choice = choose_jumps(
        sampler.jumps,
        shares.kinds,
        shares.jumps,
        fitted,
        iteration,
        draws.strength,
        homes_of(learnt),
    )
    one = 1 + 0 * num_steps
    return tuning._replace(
        num_steps=array_namespace(num_steps).where(choice.happens > 0, one, num_steps),
        direction=fitted.direction,
        jump=choice,
    )


def tune_kind(sampler: "Sampler", learnt: Learnt, iteration: Array) -> Array | None:
    """Which kind of trajectory it is, one-hot [..., kind]; None if there is one."""
    if not sampler.learners["trajectory_length"].kinds:
        return None
    return kind_at(learnt["move_shares"].kinds, iteration)


def tune_steps(
    sampler: "Sampler", learnt: Learnt, iteration: Array, kind: Array | None
) -> tuple[Array, Array]:
    """Settle eta and L: scalars, or arrays if `iteration` is one, for several iterations."""
    steps, lengths = sampler.learners["step_size"], sampler.learners["trajectory_length"]
    longest = steps.step_size(learnt["step_size"])
    most = unseen_steps.cap(learnt["unseen_steps"])
    step_size, num_steps = lengths.steps(
        learnt["trajectory_length"], longest, kind, iteration, most
    )
    if steps.smallest > 0 and lengths.num_steps is None:
        step_size = array_namespace(step_size).clip(step_size, steps.smallest, None)
    return step_size, num_steps


def tune_pull(
    sampler: "Sampler",
    learnt: Learnt,
    groups: Groups,
    draws: Draws,
    step_size: Array,
    num_steps: Array,
) -> tuple[Array | None, Array | None]:
    """Settle which pull is chosen, [particle, option], and lambda, [particle]; None if it is 0."""
    learner = sampler.learners["pull"]
    if learner.given is None:
        chosen = learner.chosen(learnt["pull"], groups, draws)
        return chosen, strength_for(learnt["pull"], chosen, step_size, num_steps)
    if isinstance(learner.given, float | int) and learner.given == 0:
        return None, None
    return None, array_namespace(draws.strength).full_like(draws.strength, learner.given)
