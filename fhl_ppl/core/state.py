"""What an iteration needs (`State`), what chance supplies (`Draws`), what happened (`Info`)."""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace

Array = Any


class State(NamedTuple):
    """The particles between two iterations (section 1).

    Attributes
    ----------
    position
        q, unconstrained parameters, shape [particle, dim].
    potential_energy
        U(q), the negative log density up to a constant, shape [particle]. Zeroth-order information.
    gradient
        g(q), the force field in use, shape [particle, dim]: dU/dq or whatever stands in for it.
    """

    position: Array
    potential_energy: Array
    gradient: Array


class Draws(NamedTuple):
    """All the randomness of one iteration. None of it may depend on the state.

    Attributes
    ----------
    noise
        Standard normal, shape [particle, dim]; becomes the momentum p ~ N(0, M).
    role
        Uniform on [0, 1), shape [particle]; sorts each group into scouts and followers.
    accept
        Uniform on [0, 1), shape [particle]; the Metropolis test.
    strength
        Uniform on [0, 1), shape [particle]; a group's first picks lambda from the mixture, each
        its own jump.
    extra
        Uniform on [0, 1), shape [particle, `moves.UNIFORMS`], for jumps that ask for numbers of
        their own. None if there are none.
    """

    noise: Array
    role: Array
    accept: Array
    strength: Array
    extra: Array | None = None


class Info(NamedTuple):
    """What happened in one iteration; every field has shape [particle] except `num_steps`.

    Attributes
    ----------
    accept_prob
        min(1, a), the probability with which the Metropolis test accepts the proposal.
    step_accept_prob
        The same as far as eta is to blame: differences that are within the rounding of the energy
        count as none.
    accepted
        Whether it was.
    diverging
        Whether the proposal was non-finite or its energy error above the threshold, but for those
        that met a wall, where U is infinite, or ended in another mode; what is tested as one (joint
        coupling: the group) diverges as one.
    is_lost
        Whether the proposal was non-finite, in itself or in its energy.
    energy
        H = U + K of the state that was kept.
    is_leader
        Whether the particle led its group.
    is_pulled
        Whether the coupling let the pull act on the particle.
    pulling_strength
        lambda of the particle's group.
    is_free
        Whether no pull acted, so that the acceptance tells about the integrator alone.
    squared_jump
        Expected squared jump in the metric's whitened space, accept_prob * |q* - q|^2_M.
    principal_jump
        The part of it along the direction in which the whitened posterior is widest.
    num_steps
        Evaluations of the force a particle, a scalar: one a step, and with a random force one more.
    move
        What the particle did, in 8 bits: 0 for a trajectory, k for number k of the jumps on offer,
        counted from 1.
    mode
        In which of the modes that are known the particle now is, in 8 bits: the number of its
        component in the archive of warm-up.
    """

    accept_prob: Array
    step_accept_prob: Array
    accepted: Array
    diverging: Array
    is_lost: Array
    energy: Array
    is_leader: Array
    is_pulled: Array
    pulling_strength: Array
    is_free: Array
    squared_jump: Array
    principal_jump: Array
    num_steps: Array
    move: Array
    mode: Array


def zeroth_move(like: Array) -> Array:
    """Code of the trajectories for every particle; `like` has shape [particle]."""
    xp = array_namespace(like)
    return xp.zeros_like(like, dtype=xp.int8)
