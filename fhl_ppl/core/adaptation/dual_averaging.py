"""Step size by dual averaging (Hoffman and Gelman 2014, section 3.2; here section 7)."""

from math import log
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.groups import Groups, group_sum

Array = Any

REGULARIZATION = 0.05
"""gamma: smaller lets the step size follow the acceptance faster."""
DELAY = 10.0
"""t0: damps the first iterations."""
FORGETTING = 0.75
"""kappa: how fast the average forgets early iterates."""
WORST = 0.2
"""Acceptance that a lost proposal counts as."""
FIRST_AMBITION = 10.0
"""The iterates are first shrunk towards this many times the given step size."""
AMBITION = 2.0
"""The same after the metric has changed, when the step size is already about right."""


class DualAveraging(NamedTuple):
    """All scalars.

    Attributes
    ----------
    log_step_size
        log eta to use in the next iteration.
    log_average
        log of the averaged step size, the one to freeze.
    mean_error
        Running mean of target - acceptance.
    log_anchor
        mu, what the iterates are shrunk towards.
    count
        Iterations since the last restart.
    """

    log_step_size: Array
    log_average: Array
    mean_error: Array
    log_anchor: Array
    count: Array


def start(log_step_size: Array) -> DualAveraging:
    """Start at a step size, expecting a larger one to do: too small a step costs more."""
    return _from(log_step_size, FIRST_AMBITION)


def restart(state: DualAveraging) -> DualAveraging:
    """Go on from the averaged step size with an empty record."""
    return _from(state.log_average, AMBITION)


def update(
    state: DualAveraging,
    groups: Groups,
    accept_prob: Array,
    witness: Array,
    target: float | Array,
    largest: Array,
    used: Array | bool = True,
) -> DualAveraging:
    """One step towards an `acceptance` of `target`; without a witness nothing changes.

    `accept_prob` and `witness` have shape [particle]. `largest`, a scalar, bounds the step size.
    Several step sizes at a time are arrays [kind], and so may be what else concerns them; `used`
    marks those that `accept_prob` is of.
    """
    xp = array_namespace(state.log_step_size)
    achieved = acceptance(groups, accept_prob, witness)
    stepped = _step(state, achieved, target, xp.log(largest))
    heard = xp.any(witness) & used
    return DualAveraging(
        *(xp.where(heard, new, old) for new, old in zip(stepped, state, strict=True))
    )


def _step(
    state: DualAveraging, achieved: Array, target: float | Array, limit: Array
) -> DualAveraging:
    xp = array_namespace(state.log_step_size)
    count = state.count + 1
    weight = 1 / (count + DELAY)
    mean_error = (1 - weight) * state.mean_error + weight * (target - achieved)
    # A record of steps that were not taken would have to be undone before a shorter step is tried.
    at_limit = (state.log_anchor - limit) * REGULARIZATION / xp.sqrt(count)
    mean_error = xp.maximum(mean_error, at_limit)
    log_step_size = state.log_anchor - xp.sqrt(count) / REGULARIZATION * mean_error
    weight = count**-FORGETTING
    log_average = weight * log_step_size + (1 - weight) * state.log_average
    return DualAveraging(log_step_size, log_average, mean_error, state.log_anchor, count)


def acceptance(groups: Groups, accept_prob: Array, witness: Array) -> Array:
    """Acceptance to judge a step size by, a scalar; 0 without witnesses.

    The harmonic mean over the witnesses of each group, averaged over the groups by their number.
    With the plain mean three happy particles hide a fourth that never moves; a harmonic mean over
    all would let the worst of many particles alone decide, and the step shrink with their number.
    Acceptances count as at least `WORST`: at a wall some proposals are lost whatever the step, and
    a harmonic mean that falls to 0 for each would shrink it without end.
    """
    xp = array_namespace(accept_prob)
    weight = xp.astype(witness, accept_prob.dtype)
    worst = xp.full_like(accept_prob, WORST)
    count = group_sum(groups, weight)
    inverse = group_sum(groups, weight / xp.maximum(accept_prob, worst))
    harmonic = count / xp.where(count > 0, inverse, xp.ones_like(inverse))
    total = xp.sum(count)
    return xp.sum(count * harmonic) / xp.maximum(total, xp.ones_like(total))


def _from(log_step_size: Array, ambition: float) -> DualAveraging:
    zero = array_namespace(log_step_size).zeros_like(log_step_size)
    return DualAveraging(log_step_size, log_step_size, zero, log_step_size + log(ambition), zero)
