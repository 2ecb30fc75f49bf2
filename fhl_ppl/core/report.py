"""What warm-up has settled on, in the numbers that a reader of the run wants to see."""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.charts.chart import links
from fhl_ppl.core.learners import unseen_steps
from fhl_ppl.core.learners.learner import Learnt, homes_of
from fhl_ppl.core.learners.trajectory_length import of_kinds, share_beyond
from fhl_ppl.core.mixture import in_use
from fhl_ppl.core.sampler import Sampler

Array = Any


class Report(NamedTuple):
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
        Probabilities of the trajectories and of each of the jumps on offer, shape [move].
    mode_mass
        Masses of the modes that warm-up has seen, as shares, as it estimates them; 0 for free
        slots, shape [component].
    unseen_steps
        1 if the energy has steps that its gradient does not see, scalar.
    missed
        How many modes the search before warm-up has missed at the least, as it guesses, scalar.
    drivers
        Row j has 1 at the parameters that the place or the width of parameter j goes with in the
        chart, shape [dim, dim]; a scalar 0 if charts are not looked for.
    """

    step_size: Array
    trajectory_length: Array
    capped: Array
    kappa: Array
    pull_weight: Array
    move_weight: Array
    mode_mass: Array
    unseen_steps: Array | float = 0.0
    missed: Array | float = 0.0
    drivers: Array | float = 0.0


def report(sampler: Sampler, learnt: Learnt) -> Report:
    """Read it off what has been learnt, once warm-up is over."""
    trajectories = sampler.learners["trajectory_length"]
    shares, mixture = learnt["move_shares"], learnt["pull"]
    step_size = sampler.learners["step_size"].step_size(learnt["step_size"])
    xp = array_namespace(step_size)
    max_num_steps: Any = trajectories.max_num_steps
    if trajectories.kinds:
        most_used = xp.argmax(shares.kinds)
        step_size = xp.take(step_size, most_used)
        max_num_steps = xp.take(
            of_kinds(trajectories.kinds, "max_num_steps", shares.kinds), most_used
        )
    steps = learnt["unseen_steps"]
    max_num_steps = xp.minimum(unseen_steps.cap(steps), max_num_steps + 0 * step_size)
    length = trajectories.length(learnt["trajectory_length"])
    capped = 0 * step_size
    if trajectories.num_steps is not None:
        length = trajectories.num_steps * step_size
    else:
        reach = max_num_steps * step_size
        if trajectories.given is None:
            capped = share_beyond(reach, length)
        else:
            capped = capped + 1 * (length > reach)
    return Report(
        step_size,
        length,
        capped,
        mixture.kappa,
        mixture.weight / xp.sum(mixture.weight),
        xp.concat([xp.sum(shares.kinds)[None], shares.jumps]),
        _mode_mass(learnt, 1 + 0 * step_size),
        steps.found,
        0 * step_size if homes_of(learnt) is None else learnt["archive"].missed,
        links(learnt["chart"].chart) if "chart" in learnt else 0 * step_size,
    )


def _mode_mass(learnt: Learnt, one: Array) -> Array:
    if homes_of(learnt) is None:
        return one[None]
    mass = learnt["archive"].components.fitted.log_weight
    xp = array_namespace(mass)
    share = xp.exp(mass - xp.max(mass))
    # Before a window has ended nothing is known, and all is in one place.
    first = xp.cumulative_sum(xp.ones_like(mass)) == 1
    known = xp.any(in_use(mass))
    return xp.where(known, share / xp.sum(share), xp.astype(first, mass.dtype))
