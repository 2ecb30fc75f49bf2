"""What the sampler does: tune, iterate, learn."""

from collections.abc import Callable
from typing import Any, NamedTuple

from fhl_ppl.core.control import Control
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.groups import Groups
from fhl_ppl.core.iteration import Tuning, iterate
from fhl_ppl.core.learners import LEARNERS
from fhl_ppl.core.learners.learner import Learnt
from fhl_ppl.core.plan import Plan
from fhl_ppl.core.state import Draws, Info, State
from fhl_ppl.core.target import Target
from fhl_ppl.core.target.charted import Charted
from fhl_ppl.core.trajectory.splitting import Splitting
from fhl_ppl.core.tuning import tune
from fhl_ppl.core.warmup import learn, see

Array = Any


class Sampler(NamedTuple):
    """All that is fixed before a run.

    Attributes
    ----------
    learners
        What learns in warm-up, by name, in the order in which they are renewed.
    jumps
        Names of the jumps on offer.
    coupling
        How the particles of a group are tied together in trajectories.
    adjusted
        Whether the Metropolis test is applied.
    num_warmup, window_ends
        Length of the warm-up, and after which iterations everything is renewed.
    splitting
        How the force is divided among the kicks.
    is_low_rank
        Whether the metric is of low rank.
    """

    learners: dict[str, Any]
    jumps: tuple[str, ...]
    coupling: Any
    adjusted: bool
    num_warmup: int
    window_ends: tuple[int, ...]
    splitting: Splitting
    is_low_rank: bool


def make_sampler(plan: Plan, coupling: str = "alternate", adjusted: bool = True) -> Sampler:
    """Set up all learners as the plan asks."""
    return Sampler(
        {name: of(plan) for name, of in LEARNERS.items() if name != "chart" or plan.charts},
        plan.jumps,
        COUPLINGS[coupling],
        adjusted,
        plan.num_warmup,
        plan.window_ends,
        plan.splitting,
        plan.low_rank,
    )


def step(
    sampler: Sampler,
    groups: Groups,
    state: State,
    learnt: Learnt,
    iteration: Array,
    draws: Draws,
    target: Target,
    control: Control,
    tune: Callable[[Sampler, Learnt, Groups, Array, Draws], Tuning] = tune,
) -> tuple[State, Learnt, Info, Tuning]:
    """Run iteration number `iteration` (from 0): all that a sampler does.

    Parameters
    ----------
    sampler, groups
        What is fixed.
    state, learnt
        Where the particles are, and what is known.
    iteration
        A scalar.
    draws
        All randomness but the force's.
    target
        Energy and force.
    control
        The backend's loops and branches.
    tune
        `fhl_ppl.core.tuning.tune`, or what hands out its results.

    Returns
    -------
    The state and the knowledge after it, what happened, and how it was tuned. The state is in the
    coordinates of the chart, if there is one; `learners.chart.for_users` has it in the user's.
    """
    tuning = tune(sampler, learnt, groups, iteration, draws)
    if "chart" in learnt:
        target = Charted(target, learnt["chart"].chart, control)
    state, info = iterate(
        state,
        draws,
        tuning,
        groups,
        sampler.coupling,
        target,
        control,
        sampler.adjusted,
        sampler.jumps,
    )

    def learn_from_it(known):
        learnt, state = known
        return learn(sampler, learnt, see(iteration, state, info, draws, tuning, groups, control))

    learnt, state = control.cond(
        iteration < sampler.num_warmup,
        learn_from_it,
        lambda known: known,
        (learnt, state),
    )
    return state, learnt, info, tuning
