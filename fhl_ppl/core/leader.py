"""Leader and pull: the zeroth-order half of the algorithm (section 2; the paper's Algorithm 1)."""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.groups import (
    Groups,
    lowest_seat,
    spread,
    to_groups,
    to_particles,
    value_there,
)

Array = Any


class Leader(NamedTuple):
    """What every particle sees of its group's leader.

    Attributes
    ----------
    position
        Shape [particle, dim].
    potential_energy
        Shape [particle]; +inf where the group has no finite candidate, and so no leader.
    is_leader
        Whether the particle is the leader itself, shape [particle].
    """

    position: Array
    potential_energy: Array
    is_leader: Array


def find_leader(
    groups: Groups, position: Array, potential_energy: Array, candidate: Array
) -> Leader:
    """leader(group) = argmin of U over the candidates.

    Ties go to the lowest index; a non-finite U counts as +inf.
    """
    xp = array_namespace(position)
    energy = xp.where(
        candidate & xp.isfinite(potential_energy),
        potential_energy,
        xp.inf,
    )
    energies = to_groups(groups, energy)
    best = lowest_seat(groups, energies)
    led = spread(groups, xp.min(energies, axis=1))
    return Leader(
        spread(groups, value_there(best, to_groups(groups, position))),
        led,
        to_particles(groups, best) & xp.isfinite(led),
    )


def pull_rate(pulling_strength: Array, potential_energy: Array, leader: Leader) -> Array:
    """rho_i = lambda * tanh((U_i - U_leader) / 2), shape [particle].

    This is the paper's (pi_l - pi_i) / (pi_l + pi_i) with the normaliser cancelled, so that it
    cannot overflow. Without a leader rho = 0.
    """
    xp = array_namespace(potential_energy)
    # Where there is no leader its energy is +inf, and the other branch would give inf - inf.
    exists = xp.isfinite(leader.potential_energy)
    zero = xp.zeros_like(potential_energy)
    led = xp.where(exists, leader.potential_energy, zero)
    gap = xp.where(exists, _finite_or_inf(potential_energy) - led, zero)
    return pulling_strength * xp.tanh(gap / 2)


def elastic_displacement(rate: Array, position: Array, leader: Leader) -> Array:
    """rho_i (q_i - q_leader), shape [particle, dim]; M times it is the pull force."""
    return rate[:, None] * (position - leader.position)


def _finite_or_inf(energy: Array) -> Array:
    xp = array_namespace(energy)
    return xp.where(xp.isfinite(energy), energy, xp.inf)
