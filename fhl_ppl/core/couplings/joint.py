"""The paper's coupling: a group moves and is tested as one (section 4, "joint"; Algorithm 2).

Leader and rho are recomputed at every kick from the current energies, over the whole group. The
elastic energy is not in the test. (The paper prints the ratio's sign reversed: a typo.)
"""

from typing import Any

from fhl_ppl.core.couplings.roles import Roles
from fhl_ppl.core.groups import Groups, first_of_group, group_sum, spread
from fhl_ppl.core.leader import elastic_displacement, find_leader, pull_rate
from fhl_ppl.core.state import Draws, State

Array = Any


class Joint:
    """Everybody is pulled towards the moving leader; the group is accepted or rejected as one."""

    has_scouts = False

    def roles(self, groups: Groups, state: State, draws: Draws) -> Roles:
        """Everybody may lead and everybody is pulled (the leader by 0, its own distance)."""
        anyone = draws.role >= 0
        leader = find_leader(groups, state.position, state.potential_energy, anyone)
        return Roles(leader, anyone)

    def pull(
        self,
        groups: Groups,
        roles: Roles,
        pulling_strength: Array,
        position: Array,
        potential_energy: Array,
    ) -> Array:
        """rho_i = lambda * tanh((U_i - U_leader) / 2), the leader being whoever leads now."""
        leader = find_leader(groups, position, potential_energy, roles.is_pulled)
        rate = pull_rate(pulling_strength, potential_energy, leader)
        return elastic_displacement(rate, position, leader)

    def log_accept_ratio(
        self, groups: Groups, energy_change: Array, draws: Draws
    ) -> tuple[Array, Array]:
        """log a = sum_i H_i,old - H_i,new over the group, with its first member's uniform."""
        total = spread(groups, group_sum(groups, energy_change))
        return -total, first_of_group(groups, draws.accept)
