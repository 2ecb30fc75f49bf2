"""The default coupling: resting scouts lead moving followers (section 4, "alternate").

In every iteration a random half of each group, drawn without looking at the state, are *scouts*;
the rest are *followers*. Scouts run plain HMC. A follower is pulled towards the lowest-energy
scout as it stood at the start of the iteration. Given the scouts' old positions each follower
makes a reversible, volume-preserving move with a force that depends on its own position only; the
scouts then make a move that does not depend on the followers. So each particle has its own test.
"""

from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.couplings.roles import Roles
from fhl_ppl.core.groups import Groups, to_groups, to_particles
from fhl_ppl.core.leader import elastic_displacement, find_leader, pull_rate
from fhl_ppl.core.state import Draws, State

Array = Any


def choose_scouts(groups: Groups, role: Array) -> Array:
    """Mark the half of each group (rounded up) with the lowest `role`, shape [particle]."""
    xp = array_namespace(role)
    seats = to_groups(groups, role)
    seats = xp.where(groups.present, seats, xp.inf)
    rank = xp.argsort(xp.argsort(seats, axis=1), axis=1)
    return to_particles(groups, 2 * rank < groups.size[:, None])


class Alternate:
    """Followers are pulled towards the best resting scout; every particle is tested alone."""

    has_scouts = True

    def roles(self, groups: Groups, state: State, draws: Draws) -> Roles:
        """Choose scouts; the leader is the one among them with the lowest energy, frozen."""
        is_scout = choose_scouts(groups, draws.role)
        leader = find_leader(groups, state.position, state.potential_energy, is_scout)
        return Roles(leader, ~is_scout)

    def pull(
        self,
        groups: Groups,
        roles: Roles,
        pulling_strength: Array,
        position: Array,
        potential_energy: Array,
    ) -> Array:
        """rho_i = lambda * max(0, tanh((U_i - U_leader) / 2)) for followers, 0 for scouts."""
        xp = array_namespace(position)
        rate = pull_rate(pulling_strength, potential_energy, roles.leader)
        rate = xp.where(roles.is_pulled & (rate > 0), rate, 0.0)
        return elastic_displacement(rate, position, roles.leader)

    def log_accept_ratio(
        self, groups: Groups, energy_change: Array, draws: Draws
    ) -> tuple[Array, Array]:
        """log a_i = H_i,old - H_i,new, each particle with its own uniform."""
        return -energy_change, draws.accept
