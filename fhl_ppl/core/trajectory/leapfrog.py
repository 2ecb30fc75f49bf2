"""Elastic leapfrog: the first-order half of the algorithm (section 3; the paper's Algorithm 1).

Every kick shifts p by a function of q alone and every drift shifts q by a function of p alone.
So the map preserves volume and is undone by flipping p, whatever the force: a wrong gradient, no
gradient, an elastic pull. All particles move at once; the paper prints a particle-by-particle
sweep, which is not its own inverse under p -> -p.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from fhl_ppl.core.control import Control
from fhl_ppl.core.metrics import OfParticles, velocity, weigh
from fhl_ppl.core.target import Target
from fhl_ppl.core.trajectory.reference import Reference, drift, restoring_force, turn_in
from fhl_ppl.core.trajectory.splitting import LEAPFROG, Splitting

Array = Any


class PhasePoint(NamedTuple):
    """Position and momentum of all particles, with the energy and gradient there.

    Shapes: [particle, dim], [particle, dim], [particle], [particle, dim].
    """

    position: Array
    momentum: Array
    potential_energy: Array
    gradient: Array


class Detour(NamedTuple):
    """A jump in place of the steps, so that the model is evaluated in one place for both.

    Attributes
    ----------
    happens
        1 if it does, 0 if there is a trajectory; a number of the host or a scalar array.
    position
        Where it leads, shape [particle, dim].
    """

    happens: Array | int
    position: Array


def elastic_leapfrog(
    start: PhasePoint,
    step_size: Array,
    num_steps: Array,
    metric: OfParticles,
    target: Target,
    pull: Callable[[Array, Array], Array] | None,
    control: Control,
    reference: Reference | None = None,
    splitting: Splitting = LEAPFROG,
    detour: Detour | None = None,
) -> PhasePoint:
    """Take `num_steps` elastic leapfrog steps with all particles at once.

    Parameters
    ----------
    start
        Where to start; `start.gradient` is used, so a step costs one gradient a particle. With a
        random force it is drawn anew instead.
    step_size
        eta, a scalar.
    num_steps
        L, a scalar; 1 where the detour happens.
    metric
        The mass matrix.
    target
        Energy and force. Node k of the trajectory is its evaluation k; a detour's is number 0.
    pull
        (q, U) -> rho (q - q_leader), shape [particle, dim]: whatever the coupling lets depend on q.
        None for plain leapfrog steps.
    control
        Loops and branches.
    reference
        A Gaussian in which the drift is exact, so that the kicks need only bring in the rest of
        the force. None for the straight drift of the leapfrog.
    splitting
        How the force is divided among the kicks.
    detour
        A jump that may take the place of the trajectory. None if there are none.
    """
    turn = None if reference is None else turn_in(reference, step_size)
    jumps = 0 if detour is None else detour.happens

    def forces(position, potential_energy, gradient):
        push, restoring = gradient, None
        if pull is not None:
            push = push + weigh(metric, pull(position, potential_energy))
        if reference is not None:
            restoring = restoring_force(reference, metric, position)
            push = push - reference.frequency * restoring
        return push, restoring

    def depart(node, position, momentum, push, restoring):
        """Kick by the force of the node before, and drift to this one."""
        momentum = momentum - splitting.half_kick(step_size, node - 1, num_steps) * push
        if turn is None:
            return position + step_size * velocity(metric, momentum), momentum
        return drift(turn, metric, position, momentum, restoring)

    def arrive(node, position, momentum, potential_energy, gradient):
        """Kick by the force just evaluated."""
        push, restoring = forces(position, potential_energy, gradient)
        time = splitting.half_kick(step_size, node, num_steps)
        if target.is_random:
            # The start is a node too, at which no step ends.
            time = time * (node > 0)
        return momentum - time * push, push, restoring

    def visit(node, carry):
        position, momentum, energy, gradient, push, restoring = carry
        is_start = (node == 0) & (jumps == 0)

        def stay(_):
            return position, momentum

        def go_round(_):
            return position if detour is None else detour.position, momentum

        def go_on(_):
            return depart(node, position, momentum, push, restoring)

        def reach(_):
            return arrive(node, position, momentum, energy, gradient)

        def rest(_):
            return momentum, push, restoring

        def unless_jumping(move, otherwise):
            if detour is None:
                return move(None)
            return control.cond(jumps == 0, move, otherwise, None)

        if target.is_random:
            position, momentum = control.cond(
                is_start, stay, lambda _: unless_jumping(go_on, go_round), None
            )
        else:
            position, momentum = unless_jumping(go_on, go_round)
        energy, gradient = target.evaluate(position, node - jumps, energy, is_start)
        momentum, push, restoring = unless_jumping(reach, rest)
        return position, momentum, energy, gradient, push, restoring

    push, restoring = forces(start.position, start.potential_energy, start.gradient)
    first = jumps if target.is_random else 1
    end = control.fori_loop(first, 1 + num_steps, visit, (*start, push, restoring))
    return PhasePoint(*end[:4])
