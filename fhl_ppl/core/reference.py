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
from fhl_ppl.core.metric import AnyMetric, velocity, weigh

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


def restoring_force(reference: Reference, metric: AnyMetric, position: Array) -> Array:
    """Omega M (q - c), shape [particle, dim]; omega times it is the reference's gradient."""
    return reference.frequency * weigh(metric, position - reference.centre)


def drift(
    reference: Reference,
    metric: AnyMetric,
    step_size: Array,
    position: Array,
    momentum: Array,
    restoring: Array,
) -> tuple[Array, Array]:
    """Turn (q - c, p) by omega times `step_size`; `restoring` is `restoring_force` at q."""
    xp = array_namespace(position)
    omega = reference.frequency
    turns = omega > 0
    cosine, sine = xp.cos(omega * step_size), xp.sin(omega * step_size)
    time = xp.where(turns, sine / xp.where(turns, omega, xp.ones_like(omega)), step_size)
    # q - (1 - cos)(q - c) and not c + cos (q - c): without a turn q stays what it is to the bit.
    position = (
        position - (1 - cosine) * (position - reference.centre) + time * velocity(metric, momentum)
    )
    return position, cosine * momentum - sine * restoring
