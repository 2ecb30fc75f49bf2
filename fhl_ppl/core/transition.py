"""One iteration of FHL: momentum, roles, elastic leapfrog, Metropolis test (sections 3 to 6)."""

from collections.abc import Callable
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.groups import Groups
from fhl_ppl.core.leapfrog import PhasePoint, elastic_leapfrog
from fhl_ppl.core.metric import Metric, draw_momentum, kinetic_energy, whiten
from fhl_ppl.core.reference import Reference
from fhl_ppl.core.state import Draws, Info, State

Array = Any

DIVERGENCE_THRESHOLD = 1000.0
"""Energy error above which a proposal counts as divergent, as in Stan and NumPyro."""


class Tuning(NamedTuple):
    """The tuned quantities of one iteration; none may depend on the current state.

    Attributes
    ----------
    step_size
        eta, scalar.
    num_steps
        L, scalar.
    pulling_strength
        lambda, scalar or shape [particle] (equal within a group). None if it is 0 for all, which
        spares working out a pull that does nothing.
    metric
        The mass matrix.
    reference
        The Gaussian in which the drift is exact. None for the leapfrog's straight drift.
    """

    step_size: Array
    num_steps: Array
    pulling_strength: Array | None
    metric: Metric
    reference: Reference | None = None


def transition(
    state: State,
    draws: Draws,
    tuning: Tuning,
    groups: Groups,
    coupling: Any,
    potential_and_gradient: Callable[[Array], tuple[Array, Array]],
    fori_loop: Callable,
    adjusted: bool = True,
) -> tuple[State, Info]:
    """Move all particles once.

    Leaves the product of p(q) ~ exp(-U(q)) over the particles invariant, for any force field, as
    long as U is the true potential. With `adjusted=False` every finite proposal is accepted: that
    is biased (it collapses below the typical set) and serves to find high-density regions fast.

    Parameters
    ----------
    state, draws, tuning, groups
        See their classes.
    coupling
        One of `fhl_ppl.core.couplings.COUPLINGS`.
    potential_and_gradient
        q [particle, dim] -> (U [particle], g [particle, dim]).
    fori_loop
        (lower, upper, body, init) -> value, as `jax.lax.fori_loop`.
    adjusted
        Whether to apply the Metropolis test.
    """
    xp = array_namespace(state.position)
    metric = tuning.metric
    strength = xp.zeros_like(state.potential_energy)
    if tuning.pulling_strength is not None:
        strength = tuning.pulling_strength + strength
    roles = coupling.roles(groups, state, draws)

    def pull(position, potential_energy):
        return coupling.pull(groups, roles, strength, position, potential_energy)

    start = PhasePoint(
        state.position,
        draw_momentum(metric, draws.noise),
        state.potential_energy,
        state.gradient,
    )
    end = elastic_leapfrog(
        start,
        tuning.step_size,
        tuning.num_steps,
        metric,
        potential_and_gradient,
        None if tuning.pulling_strength is None else pull,
        fori_loop,
        tuning.reference,
    )

    old = start.potential_energy + kinetic_energy(metric, start.momentum)
    new = end.potential_energy + kinetic_energy(metric, end.momentum)
    # A finite momentum can still have a kinetic energy beyond the largest number.
    finite = is_finite(end) & xp.isfinite(new)
    change = xp.where(finite, new - old, xp.inf)
    log_ratio, uniform = coupling.log_accept_ratio(groups, change, draws)
    accept_prob = xp.exp(xp.minimum(log_ratio, xp.zeros_like(log_ratio)))
    # Without the test the probability is still worked out: it is what the step size is tuned on.
    accepted = uniform < accept_prob if adjusted else log_ratio > -xp.inf

    def keep(proposed, current):
        chosen = accepted if current.ndim == 1 else accepted[:, None]
        return xp.where(chosen, proposed, current)

    moved = State(
        keep(end.position, state.position),
        keep(end.potential_energy, state.potential_energy),
        keep(end.gradient, state.gradient),
    )
    jump = whiten(metric, end.position - state.position)
    # Far-off proposals are rejected, but 0 times an overflow would still be no number.
    squared_jump = accept_prob * xp.sum(jump * jump, axis=-1)
    squared_jump = xp.where(xp.isfinite(squared_jump), squared_jump, xp.zeros_like(old))
    info = Info(
        accept_prob=accept_prob,
        accepted=accepted,
        diverging=log_ratio < -DIVERGENCE_THRESHOLD,
        energy=keep(new, old),
        is_leader=roles.leader.is_leader,
        is_pulled=roles.is_pulled,
        pulling_strength=strength,
        is_free=~roles.is_pulled | (strength == 0),
        squared_jump=squared_jump,
        num_steps=tuning.num_steps,
    )
    return moved, info


def is_finite(point: PhasePoint) -> Array:
    """Whether U, q, p and g of a particle are all finite, shape [particle]."""
    xp = array_namespace(point.position)
    vectors = (
        xp.isfinite(point.position) & xp.isfinite(point.momentum) & xp.isfinite(point.gradient)
    )
    return xp.isfinite(point.potential_energy) & xp.all(vectors, axis=-1)
