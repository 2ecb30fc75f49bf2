"""What was asked of a warm-up, and what it has learnt so far (section 7)."""

from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

from fhl_ppl.core.adaptation import (
    moves,
)
from fhl_ppl.core.adaptation.checked_scale import CheckedScale
from fhl_ppl.core.adaptation.dual_averaging import DualAveraging
from fhl_ppl.core.adaptation.moves import Moves
from fhl_ppl.core.adaptation.strength import StrengthMixture
from fhl_ppl.core.adaptation.trajectory import Kind, PrincipalScale
from fhl_ppl.core.adaptation.welford import Welford
from fhl_ppl.core.jump import Pool
from fhl_ppl.core.metric import AnyMetric
from fhl_ppl.core.reference import Reference
from fhl_ppl.core.splitting import LEAPFROG, Splitting

Array = Any
Moments = Any
"""A `Welford`, or for a low-rank metric a `low_rank.Sample`."""


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
    splitting: Splitting = LEAPFROG
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
