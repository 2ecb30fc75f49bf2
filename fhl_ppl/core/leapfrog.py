"""Elastic leapfrog: the first-order half of the algorithm (section 3; the paper's Algorithm 1).

Every kick shifts p by a function of q alone and every drift shifts q by a function of p alone.
So the map preserves volume and is undone by flipping p, whatever the force: a wrong gradient, no
gradient, an elastic pull. All particles move at once; the paper prints a particle-by-particle
sweep, which is not its own inverse under p -> -p.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from fhl_ppl.core.metric import AnyMetric, velocity, weigh
from fhl_ppl.core.random_force import RandomForce
from fhl_ppl.core.reference import Reference, drift, restoring_force, turn_in
from fhl_ppl.core.splitting import LEAPFROG, Splitting

Array = Any


class PhasePoint(NamedTuple):
    """Position and momentum of all particles, with the energy and gradient there.

    Shapes: [particle, dim], [particle, dim], [particle], [particle, dim].
    """

    position: Array
    momentum: Array
    potential_energy: Array
    gradient: Array


def elastic_leapfrog(
    start: PhasePoint,
    step_size: Array,
    num_steps: Array,
    metric: AnyMetric,
    potential_and_gradient: Callable[[Array], tuple[Array, Array]] | RandomForce,
    pull: Callable[[Array, Array], Array] | None,
    fori_loop: Callable,
    reference: Reference | None = None,
    splitting: Splitting = LEAPFROG,
) -> PhasePoint:
    """Take `num_steps` elastic leapfrog steps with all particles at once.

    Parameters
    ----------
    start
        Where to start; `start.gradient` is used, so a step costs one gradient a particle.
    step_size
        eta, a scalar.
    num_steps
        L, a scalar.
    metric
        The mass matrix.
    potential_and_gradient
        q [particle, dim] -> (U [particle], g [particle, dim]). Of a random force `start` holds
        evaluation 0, and step k makes evaluation k.
    pull
        (q, U) -> rho (q - q_leader), shape [particle, dim]: whatever the coupling lets depend on q.
        None for plain leapfrog steps.
    fori_loop
        (lower, upper, body, init) -> value, as `jax.lax.fori_loop`.
    reference
        A Gaussian in which the drift is exact, so that the kicks need only bring in the rest of
        the force. None for the straight drift of the leapfrog.
    splitting
        How the force is divided among the kicks.
    """

    def forces(position, potential_energy, gradient):
        push, restoring = gradient, None
        if pull is not None:
            push = push + weigh(metric, pull(position, potential_energy))
        if reference is not None:
            restoring = restoring_force(reference, metric, position)
            push = push - reference.frequency * restoring
        return push, restoring

    def evaluate(position, number):
        if isinstance(potential_and_gradient, RandomForce):
            return potential_and_gradient.draw(position, number, None)
        return potential_and_gradient(position)

    def step(index, carry):
        position, momentum, _, _, push, restoring = carry
        momentum = momentum - splitting.half_kick(step_size, index, num_steps) * push
        if turn is None:
            position = position + step_size * velocity(metric, momentum)
        else:
            position, momentum = drift(turn, metric, position, momentum, restoring)
        after = index + 1
        potential_energy, gradient = evaluate(position, after)
        push, restoring = forces(position, potential_energy, gradient)
        momentum = momentum - splitting.half_kick(step_size, after, num_steps) * push
        return position, momentum, potential_energy, gradient, push, restoring

    turn = None if reference is None else turn_in(reference, step_size)
    push, restoring = forces(start.position, start.potential_energy, start.gradient)
    end = fori_loop(0, num_steps, step, (*start, push, restoring))
    return PhasePoint(*end[:4])
