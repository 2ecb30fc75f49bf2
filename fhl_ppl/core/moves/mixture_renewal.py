"""Mixture renewal: q' ~ G, whatever q is (section 10).

log a = U - U' + log G(q) - log G(q'): the independence sampler. It goes from any mode to any other,
as often as their weights say. Nothing of it depends on other particles.
"""

from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.mixture import Mixture, log_parts, log_sum, pick, place
from fhl_ppl.core.moves.move import Offer, Scene

Array = Any


class MixtureRenewal:
    """A draw from all modes that forgets where the particle was."""

    partners = 0
    uniforms = 1
    between_modes = True

    def offer(self, scene: Scene) -> Offer:
        """Draw from G."""
        assert scene.homes is not None
        assert scene.extra is not None
        return renew(scene.homes.mixture, scene.position, scene.noise, scene.extra[:, 0])


def renew(mixture: Mixture, position: Array, noise: Array, uniform: Array) -> Offer:
    """Draw anew from the mixture.

    Parameters
    ----------
    mixture
        G.
    position, noise
        q and standard normal numbers, shape [particle, dim].
    uniform
        On [0, 1), shape [particle]: picks the component.
    """
    xp = array_namespace(position)
    chosen, _ = pick(xp.exp(mixture.log_weight)[None, :], uniform)
    proposal = place(mixture, chosen, noise)
    correction = log_sum(log_parts(mixture, position)) - log_sum(log_parts(mixture, proposal))
    return Offer(proposal, correction)
