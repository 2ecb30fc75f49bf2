"""One iteration of FHL: a trajectory or a jump, then the Metropolis test (sections 3 to 8).

Both need the model once for each step, a jump being one step, so both go through the same
evaluation: what a jump has in common with a trajectory is done in one place, what it has not, in
the branch of a conditional.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.control import Control
from fhl_ppl.core.couplings.roles import Roles
from fhl_ppl.core.groups import Groups
from fhl_ppl.core.homes import Homes, home_of, metric_at, turning_point
from fhl_ppl.core.metrics import AnyMetric, OfParticles, draw_momentum, kinetic_energy
from fhl_ppl.core.metropolis import is_finite, keep, rounding
from fhl_ppl.core.moves.choice import Choice
from fhl_ppl.core.moves.jump import (
    Jump,
    log_ratio_of_jumps,
    move_codes,
    no_jump,
    offer_jumps,
    roles_in_jumps,
)
from fhl_ppl.core.state import Draws, Info, State, zeroth_move
from fhl_ppl.core.target import Target
from fhl_ppl.core.trajectory.leapfrog import Detour, PhasePoint, elastic_leapfrog
from fhl_ppl.core.trajectory.reference import Reference
from fhl_ppl.core.trajectory.splitting import LEAPFROG, Splitting

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
        L, scalar; 1 in an iteration of jumps.
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
    pull, kind
        Which pull each particle's group has drawn, one-hot [particle, option], and which kind of
        trajectory the iteration makes, one-hot [kind]: for those who learn what each is worth.
    homes
        The modes that are known; None if nobody keeps them.
    """

    step_size: Array
    num_steps: Array
    pulling_strength: Array | None
    metric: AnyMetric
    reference: Reference | None = None
    direction: Array | None = None
    jump: Choice | None = None
    splitting: Splitting = LEAPFROG
    pull: Array | None = None
    kind: Array | None = None
    homes: Homes | None = None


class _Test(NamedTuple):
    """What the Metropolis test is of, and what only one kind of iteration has, [particle]."""

    log_ratio: Array
    step_log_ratio: Array
    uniform: Array
    old_energy: Array
    new_energy: Array
    diverging: Array
    is_pulled: Array
    is_free: Array
    pulling_strength: Array
    move: Array
    num_steps: Array


def iterate(
    state: State,
    draws: Draws,
    tuning: Tuning,
    groups: Groups,
    coupling: Any,
    target: Target,
    control: Control,
    adjusted: bool = True,
    names: tuple[str, ...] = (),
) -> tuple[State, Info]:
    """Move all particles once: along trajectories, or by jumps where `tuning.jump` says so.

    Leaves the product of p(q) ~ exp(-U(q)) over the particles invariant, for any force field, as
    long as U is the true potential. Which kind of iteration it is, is settled without a look at the
    state, so exactness is that of either. With `adjusted=False` every finite proposal is accepted:
    that is biased (it collapses below the typical set) and serves to find high-density regions.

    Parameters
    ----------
    state, draws, tuning, groups
        See their classes.
    coupling
        One of `fhl_ppl.core.couplings.COUPLINGS`, for trajectories.
    target
        The energy and the force, see `fhl_ppl.core.target`.
    control
        The backend's loops and branches.
    adjusted
        Whether to apply the Metropolis test.
    names
        The jumps on offer, in the order of `tuning.jump.chosen`.
    """
    choice = tuning.jump
    jumps = 0 if choice is None else choice.happens

    def either(of_jumps: Callable, of_trajectories: Callable) -> Any:
        if choice is None:
            return of_trajectories(state)
        return control.cond(jumps > 0, of_jumps, of_trajectories, state)

    home = _home(state, tuning, control)
    metric = metric_at(tuning.homes, home, tuning.metric)
    if choice is None or coupling.has_scouts:
        roles = coupling.roles(groups, state, draws)
    else:
        roles = either(
            lambda state: roles_in_jumps(groups, state, draws),
            lambda state: coupling.roles(groups, state, draws),
        )
    momentum, jump = either(
        lambda state: _before_jumps(names, state, draws, tuning, groups, roles, control),
        lambda state: _before_trajectories(names, state, draws, tuning, metric),
    )
    reference = tuning.reference
    if reference is not None and tuning.homes is not None:
        centre = turning_point(tuning.homes, home, reference.centre)
        reference = reference._replace(centre=centre)
    strength = array_namespace(state.position).zeros_like(state.potential_energy)
    if tuning.pulling_strength is not None:
        strength = tuning.pulling_strength + strength

    def pull(position, potential_energy):
        return coupling.pull(groups, roles, strength, position, potential_energy)

    reached = elastic_leapfrog(
        PhasePoint(state.position, momentum, *state[1:]),
        tuning.step_size,
        tuning.num_steps,
        metric,
        target,
        None if tuning.pulling_strength is None else pull,
        control,
        reference,
        tuning.splitting,
        None if jump is None else Detour(jumps, jump.offer.position),
    )
    energy = target.energy(reached.position, reached.potential_energy)
    end = State(reached.position, energy, reached.gradient)
    momenta = momentum, reached.momentum
    end_home = _home(end, tuning, control)

    test = either(
        lambda state: _test_jumps(state, end, jump, roles, tuning, draws),
        lambda state: _test_trajectories(
            state,
            end,
            momenta,
            roles,
            strength,
            tuning,
            metric,
            target,
            coupling,
            groups,
            draws,
            end_home == home,
        ),
    )
    moved, verdict = keep(
        state, end, test.log_ratio, test.uniform, tuning.metric, tuning.direction, adjusted
    )
    xp = array_namespace(state.position)
    info = Info(
        accept_prob=verdict.accept_prob,
        step_accept_prob=xp.exp(
            xp.minimum(test.step_log_ratio, xp.zeros_like(test.step_log_ratio))
        ),
        accepted=verdict.accepted,
        diverging=test.diverging,
        is_lost=test.log_ratio == -xp.inf,
        energy=xp.where(verdict.accepted, test.new_energy, test.old_energy),
        is_leader=roles.leader.is_leader,
        is_pulled=test.is_pulled,
        pulling_strength=test.pulling_strength,
        is_free=test.is_free,
        squared_jump=verdict.squared_jump,
        principal_jump=verdict.principal_jump,
        num_steps=test.num_steps,
        move=test.move,
        mode=xp.astype(xp.where(verdict.accepted, end_home, home), xp.int8),
    )
    return moved, info


def _home(state: State, tuning: Tuning, control: Control) -> Array:
    """Number of the component that each particle is in; 0 if nobody keeps them."""
    if tuning.homes is None:
        return zeroth_move(state.potential_energy)
    return home_of(tuning.homes, state.position, control)


def _before_jumps(
    names: tuple[str, ...],
    state: State,
    draws: Draws,
    tuning: Tuning,
    groups: Groups,
    roles: Roles,
    control: Control,
) -> tuple[Array, Jump]:
    """Momenta, which are 0, and where the jumps lead."""
    assert tuning.jump is not None
    jump = offer_jumps(names, state, draws, tuning.jump, groups, roles, control)
    return array_namespace(draws.noise).zeros_like(draws.noise), jump


def _before_trajectories(
    names: tuple[str, ...], state: State, draws: Draws, tuning: Tuning, metric: OfParticles
) -> tuple[Array, Jump | None]:
    """Momenta, and in the place of jumps, if there are any, that all stay."""
    jump = None if tuning.jump is None else no_jump(names, state)
    return draw_momentum(metric, draws.noise), jump


def _test_jumps(
    state: State, end: State, jump: Jump, roles: Roles, tuning: Tuning, draws: Draws
) -> _Test:
    xp = array_namespace(state.position)
    log_ratio = log_ratio_of_jumps(jump, roles, state, end)
    finite = is_finite(*end, log_ratio)
    log_ratio = xp.where(finite, log_ratio, -xp.inf)
    # That of a momentum W' xi, whatever the metric.
    kinetic = xp.vecdot(draws.noise, draws.noise) / 2
    nothing = xp.zeros_like(kinetic)
    return _Test(
        log_ratio=log_ratio,
        step_log_ratio=log_ratio,
        uniform=draws.accept,
        old_energy=state.potential_energy + kinetic,
        new_energy=end.potential_energy + kinetic,
        # A jump into the void tells nothing about an integrator; a potential that fails does, but
        # where it is infinite there is nothing to be kept.
        diverging=~finite & (end.potential_energy != xp.inf),
        is_pulled=nothing > 0,
        is_free=nothing > 0,
        pulling_strength=nothing,
        move=move_codes(jump.made),
        num_steps=tuning.num_steps,
    )


def _test_trajectories(
    state: State,
    end: State,
    momenta: tuple[Array, Array],
    roles: Roles,
    strength: Array,
    tuning: Tuning,
    metric: OfParticles,
    target: Target,
    coupling: Any,
    groups: Groups,
    draws: Draws,
    stays: Array,
) -> _Test:
    xp = array_namespace(state.position)
    kinetic = tuple(kinetic_energy(metric, momentum) for momentum in momenta)
    old, new = state.potential_energy + kinetic[0], end.potential_energy + kinetic[1]
    # Behind a wall the integrator is judged by the momentum, which it blows up where it fails.
    behind = end.potential_energy == xp.inf
    error = xp.where(behind, kinetic[1] - kinetic[0], new - old)
    # A finite kinetic energy needs a finite momentum, and that a finite gradient. The energy before
    # may be infinite, which says that it is not known.
    sound = is_finite(end.position, xp.where(behind, kinetic[1], new))
    error = xp.where(sound, error, xp.inf)
    # Where a trajectory ends in another mode, the way back would turn about another centre.
    change = xp.where(stays & ~behind, error, xp.inf)
    log_ratio, uniform = coupling.log_accept_ratio(groups, change, draws)
    within = xp.abs(error) <= rounding(xp.maximum(xp.abs(old), xp.abs(new)))
    within = within & xp.isfinite(old) & xp.isfinite(new)
    error = xp.where(within, xp.zeros_like(error), error)
    log_error, _ = coupling.log_accept_ratio(groups, error, draws)
    return _Test(
        log_ratio=log_ratio,
        step_log_ratio=xp.where(log_ratio == -xp.inf, log_ratio, log_error),
        uniform=uniform,
        old_energy=old,
        new_energy=new,
        diverging=log_error < -DIVERGENCE_THRESHOLD,
        is_pulled=roles.is_pulled,
        is_free=~roles.is_pulled | (strength == 0),
        pulling_strength=strength,
        move=zeroth_move(strength),
        # A random force is drawn anew at the start.
        num_steps=tuning.num_steps + target.is_random,
    )
