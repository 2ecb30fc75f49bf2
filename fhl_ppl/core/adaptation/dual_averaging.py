"""Step size by dual averaging (Hoffman and Gelman 2014, section 3.2; here section 7)."""

from math import log
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace

Array = Any

REGULARIZATION = 0.05
"""gamma: smaller lets the step size follow the acceptance faster."""
DELAY = 10.0
"""t0: damps the first iterations."""
FORGETTING = 0.75
"""kappa: how fast the average forgets early iterates."""
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
    state: DualAveraging, accept_prob: Array, witness: Array, target: float
) -> DualAveraging:
    """One step towards a harmonic mean acceptance of `target` among the witnesses.

    `accept_prob` and `witness` have shape [particle]; without a witness nothing changes.
    """
    xp = array_namespace(state.log_step_size)
    stepped = _step(state, harmonic_mean(accept_prob, witness), target)
    heard = xp.any(witness)
    return DualAveraging(
        *(xp.where(heard, new, old) for new, old in zip(stepped, state, strict=True))
    )


def _step(state: DualAveraging, acceptance: Array, target: float) -> DualAveraging:
    xp = array_namespace(state.log_step_size)
    count = state.count + 1
    weight = 1 / (count + DELAY)
    mean_error = (1 - weight) * state.mean_error + weight * (target - acceptance)
    log_step_size = state.log_anchor - xp.sqrt(count) / REGULARIZATION * mean_error
    weight = count**-FORGETTING
    log_average = weight * log_step_size + (1 - weight) * state.log_average
    return DualAveraging(log_step_size, log_average, mean_error, state.log_anchor, count)


def harmonic_mean(acceptance: Array, counts: Array) -> Array:
    """Harmonic mean of `acceptance` over the particles that count, both shape [particle].

    With the plain mean three happy particles hide a fourth that never moves.
    """
    xp = array_namespace(acceptance)
    weight = xp.astype(counts, acceptance.dtype)
    tiny = xp.finfo(acceptance.dtype).tiny
    inverse = 1 / xp.maximum(acceptance, xp.full_like(acceptance, tiny))
    return xp.sum(weight) / xp.maximum(xp.sum(weight * inverse), xp.ones_like(inverse[0]))


def _from(log_step_size: Array, ambition: float) -> DualAveraging:
    zero = array_namespace(log_step_size).zeros_like(log_step_size)
    return DualAveraging(log_step_size, log_step_size, zero, log_step_size + log(ambition), zero)
