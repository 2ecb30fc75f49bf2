"""Leap (section 8): the difference jump by its full length, which carries from mode to mode."""

from fhl_ppl.core.moves.difference import shift
from fhl_ppl.core.moves.move import Offer, Scene


class Leap:
    """A shift by all of the way between two scouts."""

    partners = 2
    uniforms = 0
    between_modes = False

    def offer(self, scene: Scene) -> Offer:
        """Shift every particle by the way from one scout to another."""
        return shift(scene, 1.0)
