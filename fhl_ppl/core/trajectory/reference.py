"""The drift of the integrator: exact motion in a Gaussian that stands in for the posterior.

Split the energy into H = [omega^2 (q - c)' M (q - c) / 2 + K(p)] + [U(q) - the same quadratic]. The
first part alone turns (q - c, p) by an angle omega t, without error at any step; the second is
left to the kicks. Near a Gaussian posterior with mean c and covariance M^-1 nothing but
(1 - omega^2) of the force is left to them, so that one step goes as far as several leapfrog steps
(Shahbaba, Lan, Johnson and Neal 2014, "Split Hamiltonian Monte Carlo"). omega = 0 is the leapfrog.
Both maps preserve volume and are undone by flipping p, so exactness is that of section 3.
"""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.metrics import OfParticles, velocity, weigh

Array = Any

FREQUENCY = 0.93
"""omega of a fitted reference. With 1 a particle far out, where the posterior has wider tails than
the Gaussian, is turned too far and stays stuck; 0.93 leaves a seventh of the force to the kicks."""


class Reference(NamedTuple):
    """A Gaussian N(c, (omega^2 M)^-1).

    Attributes
    ----------
    centre
        c, shape [dim].
    frequency
        omega, a scalar; 0 means none, and then the drift is straight.
    """

    centre: Array
    frequency: Array


def no_reference(position: Array) -> Reference:
    """Omega = 0, for positions [particle, dim]."""
    centre = array_namespace(position).zeros_like(position[0, :])
    return Reference(centre, array_namespace(position).sum(centre))


def restoring_force(reference: Reference, metric: OfParticles, position: Array) -> Array:
    """Omega M (q - c), shape [particle, dim]; omega times it is the reference's gradient."""
    return reference.frequency * weigh(metric, position - reference.centre)


class Turn(NamedTuple):
    """How a drift turns (q - c, p).

    Attributes
    ----------
    centre
        c, shape [dim].
    cosine, sine
        Of the angle, omega times the step size, scalars.
    time
        sine / omega, how long q goes on with its velocity, a scalar; the step size if omega is 0.
    """

    centre: Array
    cosine: Array
    sine: Array
    time: Array


def turn_in(reference: Reference, step_size: Array) -> Turn:
    """Work out the turn that all steps of a trajectory make."""
    omega, xp = reference.frequency, array_namespace(reference.centre)
    cosine, sine = xp.cos(omega * step_size), xp.sin(omega * step_size)
    # 1 without a turn, else 0.
    straight = 0 * omega + (omega == 0)
    time = (sine + straight * step_size) / (omega + straight)
    return Turn(reference.centre, cosine, sine, time)


def drift(
    turn: Turn, metric: OfParticles, position: Array, momentum: Array, restoring: Array
) -> tuple[Array, Array]:
    """Turn (q - c, p); `restoring` is `restoring_force` at q."""
    # q - (1 - cos)(q - c) and not c + cos (q - c): without a turn q stays what it is to the bit.
    position = (
        position
        - (1 - turn.cosine) * (position - turn.centre)
        + turn.time * velocity(metric, momentum)
    )
    return position, turn.cosine * momentum - turn.sine * restoring
