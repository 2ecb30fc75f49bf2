"""Difference jump (section 8): q' = q +- gamma (q_j - q_k), the partners j and k resting.

Every follower tosses a coin of its own for the sign, so that given the pair its proposal is
symmetric and needs no correction (ter Braak 2006, "A Markov Chain Monte Carlo version of the
genetic algorithm differential evolution"). One sign for all would tie the followers together:
given it, no follower's jump is symmetric.
"""

from math import sqrt
from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.groups import Groups, lowest_seat, spread, to_groups, value_there
from fhl_ppl.core.moves.move import Offer, Scene

Array = Any


class Difference:
    """A shift short enough to be accepted: 2.38 / sqrt(2 dim) is best on a Gaussian."""

    partners = 2
    uniforms = 0
    between_modes = False

    def offer(self, scene: Scene) -> Offer:
        """Shift every particle along the line between two scouts."""
        return shift(scene, 2.38 / sqrt(2 * scene.position.shape[1]))


def shift(scene: Scene, gamma: float) -> Offer:
    """Offer q +- gamma (q_j - q_k)."""
    xp = array_namespace(scene.position)
    apart = partner_difference(scene.groups, scene.is_scout, scene.role, scene.position)
    signed = gamma * xp.sign(scene.noise[:, 0])
    return Offer(scene.position + signed[:, None] * apart, xp.zeros_like(signed))


def partner_difference(groups: Groups, is_scout: Array, role: Array, position: Array) -> Array:
    """q_j - q_k of the two scouts with the lowest `role`, shape [particle, dim].

    0 in groups with a single scout.
    """
    xp = array_namespace(position)
    roles = to_groups(groups, xp.where(is_scout, role, xp.inf))
    # An empty seat repeats a member, who must not be taken for two.
    roles = xp.where(groups.present, roles, xp.inf)
    first = lowest_seat(groups, roles)
    roles = xp.where(first, xp.inf, roles)
    second = lowest_seat(groups, roles)
    seated = to_groups(groups, position)
    apart = value_there(first, seated) - value_there(second, seated)
    both = xp.isfinite(xp.min(roles, axis=1))
    return spread(groups, xp.where(both[:, None], apart, 0.0))
