"""The Metropolis test, and what is measured of every proposal (sections 4 and 6)."""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.metrics import AnyMetric, whiten
from fhl_ppl.core.state import State

Array = Any


ROUNDINGS = 2.0
"""Steps of floating point that differences of energies are wrong by.

A Gaussian in 8 dimensions, 10^7 added to its energy, in float32: with 1, 2 and 4 the step is 1.8 to
1.9 and the acceptance .83 after 400 gradients a particle; with 0 the step is .004, for 42 000."""


class Verdict(NamedTuple):
    """What the test made of the proposals; every field has shape [particle], see `Info`."""

    accept_prob: Array
    accepted: Array
    squared_jump: Array
    principal_jump: Array


def keep(
    state: State,
    proposed: State,
    log_ratio: Array,
    uniform: Array,
    metric: AnyMetric,
    direction: Array | None,
    adjusted: bool = True,
) -> tuple[State, Verdict]:
    """Keep what passes.

    Parameters
    ----------
    state, proposed
        Where the particles are, and where they might go.
    log_ratio, uniform
        log a, -inf for what must not be kept, and uniform numbers on [0, 1), shape [particle].
    metric, direction
        The whitened space and a unit vector [dim] in it, to measure the jumps in.
    adjusted
        False keeps every proposal of finite log a: biased.
    """
    xp = array_namespace(state.position)
    accept_prob = xp.exp(xp.minimum(log_ratio, xp.zeros_like(log_ratio)))
    # Without the test the probability is still worked out: it is what the step size is tuned on.
    accepted = uniform < accept_prob if adjusted else log_ratio > -xp.inf

    def chosen(new, current):
        mask = accepted if current.ndim == 1 else accepted[:, None]
        return xp.where(mask, new, current)

    def expected(square):
        # Far-off proposals are rejected, but 0 times an overflow would still be no number.
        value = accept_prob * square
        return xp.where(xp.isfinite(value), value, 0.0)

    moved = State(*(chosen(new, current) for new, current in zip(proposed, state, strict=True)))
    step = whiten(metric, proposed.position - state.position)
    squared_jump = expected(xp.vecdot(step, step))
    principal_jump = (
        0 * squared_jump if direction is None else expected(xp.sum(step * direction, axis=1) ** 2)
    )
    return moved, Verdict(accept_prob, accepted, squared_jump, principal_jump)


def rounding(energy: Array) -> Array:
    """What a difference of two such energies may be wrong by, shaped as they are."""
    eps = array_namespace(energy).finfo(energy.dtype).eps
    return ROUNDINGS * float(eps) * energy


def is_finite(*parts: Array) -> Array:
    """Whether all is finite, shape [particle], of parts [particle] and [particle, dim]."""
    xp = array_namespace(parts[0])
    finite = True
    for part in parts:
        # 0 times infinity is no number, and a product takes less time than a reduction.
        finite = finite & xp.isfinite(part if part.ndim == 1 else xp.vecdot(part, 0 * part))
    return finite
