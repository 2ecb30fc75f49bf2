"""Whether a warm-up may end with the window that it is in, sooner than planned (section 7).

What matters is whether another window would learn anything else. So the window so far, whose draws
the metric in use has not seen, is asked: whether the two halves of the particles agree on the mean,
whether that is where the window before had it, and whether the metric that it gives is the one in
use. If so the window ends as the last one would have, with all that is settled then, and the
stretch for the step size follows as it does in any warm-up. The step size and the shares of the
moves need no test: the last stretch measures both anew. Where a chart is in use nothing ends early:
it is about tails and necks, of which moments say nothing, and gets better with every window. With
it a warm-up of Brownian motion with unknown scales (`ig-brownian_unknown_scales`) ended after 600
iterations of 1000, and of the chains that followed one stood still for thousands of draws.
"""

from typing import TYPE_CHECKING, Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.charts.chart import is_moving
from fhl_ppl.core.control import Control
from fhl_ppl.core.learners.learner import Learnt, Window
from fhl_ppl.core.learners.strays import is_stray, without_strays
from fhl_ppl.core.metrics.dense import Metric, eigen
from fhl_ppl.core.moments.welford import covariance
from fhl_ppl.core.state import State

if TYPE_CHECKING:
    from fhl_ppl.core.sampler import Sampler

Array = Any

APART = 0.3
"""Most that two means may differ by, in standard deviations of each coordinate. Between halves of
the particles it is an R-hat of 1.01."""
FACTOR = 2.0
"""Most that two metrics may differ by in any direction, as variances. So much costs a trajectory
that is tuned for either a few steps."""
SHARE = 0.5
"""Least share of the window that has to be over: charts and modes are fitted to its draws."""


def may_end(
    sampler: "Sampler", learnt: Learnt, state: State, iteration: int, control: Control
) -> bool:
    """Whether the window of iteration number `iteration`, the next one, may be the last.

    Never the first window, nor one with a chart or a metric of low rank, nor without jumps, where
    no mean of the window before is known.

    Parameters
    ----------
    sampler, learnt, state
        As in `sampler.step`; arrays on the host.
    iteration
        From 0.
    control
        Loops and branches of these arrays.
    """
    start, end = _window(sampler.window_ends, iteration)
    metric = learnt["metric"]
    if not start or iteration - start < SHARE * (end - start):
        return False
    if not isinstance(metric, Metric) or not sampler.jumps or _has_chart(learnt):
        return False
    moments = learnt["moments"]
    spread = covariance(moments.positions)
    xp = array_namespace(spread)
    sd = xp.sqrt(spread if spread.ndim == 1 else xp.linalg.diagonal(spread))
    window = Window(iteration, state, without_strays(state), control)
    fitted: Any = sampler.learners["metric"].renew(metric, window, learnt, learnt)
    between_halves = moments.differences / (iteration - start)
    since_before = moments.positions.mean - learnt["fitted_gaussian"].centre
    agree = (
        ~xp.any(is_stray(state))
        & xp.all(xp.abs(between_halves) <= APART * sd)
        & xp.all(xp.abs(since_before) <= APART * sd)
        & _alike(metric, fitted)
    )
    return bool(agree)


def goes_on_at(sampler: "Sampler", iteration: int, block: int) -> int:
    """The number to go on with for the window to end as the last, within a block or so.

    What is left is whole blocks, so that no loop of another length is needed. It is `iteration`
    itself where nothing would be gained.
    """
    left = sampler.num_warmup - sampler.window_ends[-1] + 1
    left = -(-left // block) * block
    is_in_last = sampler.num_warmup - left >= max((0, *sampler.window_ends[:-1]))
    return max(iteration, sampler.num_warmup - left) if is_in_last else iteration


def _window(ends: tuple[int, ...], iteration: int) -> tuple[int, int]:
    """Where the window of an iteration starts and ends; where there is none, zeros."""
    bounds = zip((0, *ends[:-1]), ends, strict=True)
    return next(((start, end) for start, end in bounds if start <= iteration < end), (0, 0))


def _has_chart(learnt: Learnt) -> bool:
    return "chart" in learnt and bool(is_moving(learnt["chart"].chart))


def _alike(metric: Metric, fitted: Metric) -> Array:
    xp = array_namespace(metric.whitener)
    ratio = fitted.inverse_mass_matrix
    if ratio.ndim == 1:
        ratio = ratio * metric.whitener**2
    else:
        ratio, _ = eigen(metric.whitener @ ratio @ xp.matrix_transpose(metric.whitener))
    return xp.all((ratio <= FACTOR) & (ratio >= 1 / FACTOR))
