"""Mirror: q' = 2 c - q, through the centre of the fitted Gaussian; a jump as one is written."""

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.moves.move import Offer, Scene


class Mirror:
    """The other side. It is its own way back and keeps volumes: there is nothing to correct."""

    partners = 0
    uniforms = 0
    between_modes = False

    def offer(self, scene: Scene) -> Offer:
        """Reflect every particle."""
        nothing = array_namespace(scene.position).zeros_like(scene.potential_energy)
        return Offer(2 * scene.fitted.centre - scene.position, nothing)
