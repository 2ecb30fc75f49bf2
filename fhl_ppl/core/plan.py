"""What is asked of a run: plain Python values, from which the learners take what concerns them."""

from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

from fhl_ppl.core.metrics import AnyMetric
from fhl_ppl.core.trajectory.splitting import LEAPFROG, Splitting

Array = Any


class Kind(NamedTuple):
    """One of several ways to choose eta and L, where the gradient is not to be trusted.

    Attributes
    ----------
    max_num_steps, min_num_steps
        Bounds on L. The lower one holds for the longest T, by a bound on eta.
    target_accept_prob
        Acceptance that eta aims at.
    """

    max_num_steps: int
    target_accept_prob: float
    min_num_steps: int = 1


class Plan(NamedTuple):
    """What was asked for, fixed before the run. None means "choose it".

    Attributes
    ----------
    num_warmup
        Iterations during which to adapt.
    window_ends
        Iterations after which the metric is renewed, from `windows.window_ends`.
    target_accept_prob
        Acceptance that the step size aims at, see `learners.step_size.acceptance`.
    adapt_step_size
        Whether to adapt eta at all.
    estimate_metric
        `from_scores` or `from_positions` of `metrics.dense_fit` or `metrics.low_rank_fit`,
        (positions, gradients, draws=n) -> metric; None keeps the metric as it is.
    estimate_centre
        `dense_fit.centre_from_scores`, (metric, positions, gradients) -> c; the reference is fitted
        with it. None goes without: leapfrog steps.
    dense
        Whether to collect full covariances, [dim, dim], or variances, [dim].
    low_rank
        Whether the metric is a `LowRankMetric`, and a `low_rank_fit.Sample` is collected for it.
    splitting
        How the force is divided among the kicks; a `num_steps` that is given has to suit it.
    trajectory_length
        T = eta L, in units of the whitened space.
    num_steps
        L; takes precedence over `trajectory_length`.
    max_num_steps
        Cap on L where it is not given.
    pulling_strength
        lambda.
    jumps
        Names of the jumps to mix with the trajectories, see `fhl_ppl.core.moves`; empty for none.
    trajectory_floor, jump_floor
        Shares of the iterations that trajectories, and each of the jumps, keep.
    trusts_gradient
        Whether the force is the gradient of U. If not, all lost proposals count against eta
        (`lost_proposals`), and positions count for as many as are independent.
    energy_cost, force_cost
        What an iteration costs by itself, and for each evaluation of the force: with a minibatch
        the energy of all rows is what is dear.
    min_step_size, max_step_size
        Bounds on eta.
    kinds
        Kinds of trajectories to choose from, in place of `target_accept_prob` and `max_num_steps`;
        each has an eta of its own. Empty: there is one.
    charts
        Whether to look for coordinates in which the posterior is nearer to a Gaussian.
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
    splitting: Splitting = LEAPFROG
    jumps: tuple[str, ...] = ()
    trajectory_floor: float = 0.5
    jump_floor: float = 0.005
    trusts_gradient: bool = False
    energy_cost: float = 0.0
    force_cost: float = 1.0
    min_step_size: float = 0.0
    max_step_size: float = inf
    kinds: tuple[Kind, ...] = ()
    charts: bool = False
