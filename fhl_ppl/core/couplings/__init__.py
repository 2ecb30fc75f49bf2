"""How the particles of a group are tied together: one coupling a file (section 4).

A coupling is a class that says whether half of each group rests as scouts (`has_scouts`), as in
jumps, and has three methods, called in this order in every iteration:

- `roles(groups, state, draws)` decides, before anything moves, who may lead and who is pulled;
- `pull(groups, roles, pulling_strength, position, potential_energy)` gives rho (q - q_leader) at
  every kick;
- `log_accept_ratio(groups, energy_change, draws)` gives the Metropolis test, (log a, uniform).
"""

from fhl_ppl.core.couplings.alternate import Alternate
from fhl_ppl.core.couplings.joint import Joint

COUPLINGS = {"alternate": Alternate(), "joint": Joint()}

__all__ = ["COUPLINGS", "Alternate", "Joint"]
