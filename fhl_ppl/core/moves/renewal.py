"""Renewal (section 8): a fresh draw from the fitted Gaussian, a rotation by a right angle."""

from math import pi

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.moves.move import Offer, Scene
from fhl_ppl.core.moves.rotation import rotate


class Renewal:
    """A draw that forgets where the particle was."""

    partners = 0
    uniforms = 0
    between_modes = False

    def offer(self, scene: Scene) -> Offer:
        """Draw from N(c, S)."""
        right = array_namespace(scene.position).full_like(scene.potential_energy, pi / 2)
        fitted = scene.fitted
        return rotate(fitted.metric, fitted.centre, right, scene.position, scene.xi)
