"""One iteration of FHL: momentum, roles, elastic leapfrog, Metropolis test (sections 3 to 6)."""

from collections.abc import Callable
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.control import Control
from fhl_ppl.core.groups import Groups
from fhl_ppl.core.jump import JumpTuning, jump
from fhl_ppl.core.leapfrog import PhasePoint, elastic_leapfrog
from fhl_ppl.core.metric import AnyMetric, draw_momentum, kinetic_energy
from fhl_ppl.core.metropolis import is_finite, settle
from fhl_ppl.core.random_force import RandomForce
from fhl_ppl.core.reference import Reference
from fhl_ppl.core.splitting import LEAPFROG, Splitting
from fhl_ppl.core.state import Draws, Info, State, zeroth_move

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
    direction
        Where the whitened posterior is widest, a unit vector [dim], to measure jumps along; if any.
    jump
        What settles the jumps. None if there are none.
    splitting
        How the force is divided among the kicks; L has to be 1 or a multiple of its `stages`.
    """

    step_size: Array
    num_steps: Array
    pulling_strength: Array | None
    metric: AnyMetric
    reference: Reference | None = None
    direction: Array | None = None
    jump: JumpTuning | None = None
    splitting: Splitting = LEAPFROG


def iterate(
    state: State,
    draws: Draws,
    tuning: Tuning,
    groups: Groups,
    coupling: Any,
    potential_and_gradient: Callable[[Array], tuple[Array, Array]] | RandomForce,
    control: Control,
    adjusted: bool = True,
) -> tuple[State, Info]:
    """Move all particles once: along trajectories, or by jumps where `tuning.jump` says so.

    Which of them is settled without a look at the state, so exactness is that of either. Parameters
    and results as those of `transition`; `control` holds the backend's loops and branches.
    """

    def follow(value):
        return transition(
            value,
            draws,
            tuning,
            groups,
            coupling,
            potential_and_gradient,
            control.fori_loop,
            adjusted,
        )

    hop = tuning.jump
    if hop is None:
        return follow(state)

    def leap(value):
        return jump(
            value,
            draws,
            hop,
            groups,
            potential_and_gradient,
            tuning.metric,
            tuning.direction,
        )

    return control.cond(hop.happens > 0, leap, follow, state)


def transition(
    state: State,
    draws: Draws,
    tuning: Tuning,
    groups: Groups,
    coupling: Any,
    potential_and_gradient: Callable[[Array], tuple[Array, Array]] | RandomForce,
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
        A `RandomForce` is evaluated anew at the start too, and asked for U at the end alone.
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

    known = state.potential_energy, state.gradient
    random = potential_and_gradient if isinstance(potential_and_gradient, RandomForce) else None
    start = PhasePoint(
        state.position,
        draw_momentum(metric, draws.noise),
        *(known if random is None else random.begin(state)),
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
        tuning.splitting,
    )
    if random is not None:
        energy = random.energy_at(end.position, end.potential_energy)
        end = end._replace(potential_energy=energy)

    old = state.potential_energy + kinetic_energy(metric, start.momentum)
    new = end.potential_energy + kinetic_energy(metric, end.momentum)
    # A finite kinetic energy needs a finite momentum, and that a finite gradient.
    change = xp.where(is_finite(end.position, new), new - old, xp.inf)
    log_ratio, uniform = coupling.log_accept_ratio(groups, change, draws)
    proposed = State(end.position, end.potential_energy, end.gradient)
    moved, verdict = settle(state, proposed, log_ratio, uniform, metric, tuning.direction, adjusted)
    info = Info(
        accept_prob=verdict.accept_prob,
        accepted=verdict.accepted,
        diverging=log_ratio < -DIVERGENCE_THRESHOLD,
        is_lost=log_ratio == -xp.inf,
        energy=xp.where(verdict.accepted, new, old),
        is_leader=roles.leader.is_leader,
        is_pulled=roles.is_pulled,
        pulling_strength=strength,
        is_free=~roles.is_pulled | (strength == 0),
        squared_jump=verdict.squared_jump,
        principal_jump=verdict.principal_jump,
        num_steps=tuning.num_steps + (random is not None),
        move=zeroth_move(strength),
    )
    return moved, info
