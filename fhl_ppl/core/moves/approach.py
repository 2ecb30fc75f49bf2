"""Approach (section 8): q' = c + z (q - c), along the line to the best scout c, which rests.

log z ~ N(-m, s^2), so that most proposals lie closer to c. The line is shrunk by z in each
of its dim dimensions, and the way back is drawn less often by exp(2 m log z / s^2):
log a = U - U' + (dim + 2 m / s^2) log z. The stretch move of Goodman and Weare (2010, "Ensemble
samplers with affine invariance") with another law of z. It finds a mode however small, whatever
the scales of the dimensions; in equilibrium hardly anything of it is accepted.
"""

from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.moves.move import Offer, Scene

Array = Any

SHIFT = 3.0
"""m. Half of the proposals are at less than a twentieth of the distance."""
SPREAD = 2.0
"""s."""
FAR = 10.0
"""How much more energy than what an approach costs makes a follower far; its unit is that of U."""


class Approach:
    """A jump to the leader's side."""

    partners = 1
    uniforms = 0
    between_modes = False

    def offer(self, scene: Scene) -> Offer:
        """Bring every particle closer to its leader."""
        return approach(scene.leader.position, scene.position, scene.noise[:, 0])


def approach(centre: Array, position: Array, noise: Array) -> Offer:
    """Shrink q - c, shape [particle, dim], by a z from standard normal `noise` [particle]."""
    log_scale = SPREAD * noise - SHIFT
    scale = array_namespace(position).exp(log_scale)[:, None]
    correction = (position.shape[1] + 2 * SHIFT / SPREAD**2) * log_scale
    return Offer(centre + scale * (position - centre), correction)


def is_far(energy: Array, leader_energy: Array, dim: int) -> Array:
    """Whether a follower has so much more energy than its leader that an approach pays, [particle].

    By the leader's side it would gain more than z costs on average, dim m.
    """
    return energy - leader_energy > FAR + SHIFT * dim
