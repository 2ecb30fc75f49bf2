"""Rotation about the scouts' mean (section 8): they rest, so it is a centre like any other."""

from math import pi
from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.groups import group_sum, spread
from fhl_ppl.core.moves.move import Offer, Scene
from fhl_ppl.core.moves.rotation import rotate

Array = Any


class MeanRotation:
    """A turn about the scouts' mean, weighted by exp(-U), by up to half a turn.

    About partners, where no Gaussian is centred, half turns pay: they lead to the other side.
    """

    partners = 1
    uniforms = 0
    between_modes = False

    def offer(self, scene: Scene) -> Offer:
        """Turn by the iteration's share of half a turn."""
        xp = array_namespace(scene.position)
        half = 2 * xp.full_like(scene.potential_energy, pi / 2)
        centre = weighted_mean(scene)
        return rotate(scene.fitted.metric, centre, half * scene.turn, scene.position, scene.xi)


def weighted_mean(scene: Scene) -> Array:
    """sum_j w_j q_j over the scouts with w_j ~ exp(-U_j), shape [particle, dim]."""
    xp = array_namespace(scene.position)
    weight = xp.exp(scene.leader.potential_energy - scene.potential_energy)
    weight = xp.where(scene.is_scout, weight, xp.zeros_like(weight))
    ones = xp.ones_like(weight[:, None])
    summed = group_sum(scene.groups, weight[:, None] * xp.concat([scene.position, ones], axis=1))
    return spread(scene.groups, summed[:, :-1] / summed[:, -1:])
