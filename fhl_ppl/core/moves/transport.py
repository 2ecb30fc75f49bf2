"""Transport: to the same place in another mode (section 10).

A component k is drawn from r_k(q) = w_k N(q; c_k, S_k) / G(q), another, l, from all others alike,
and q' = c_l + L_l L_k^-1 (q - c_k). The way back draws l from r(q') and then k, as likely as l was,
and the map changes the volume by det L_l / det L_k:

    log a = U - U' + log det L_l - log det L_k + log r_l(q') - log r_k(q)
          = U - U' + log w_l - log w_k + log G(q) - log G(q'),

since L_l^-1 (q' - c_l) = L_k^-1 (q - c_k).

It keeps the shape of a mode, so modes that are alike but not Gaussian (labels, signs, periods)
exchange at high acceptance. Nothing of it depends on other particles.
"""

from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.mixture import (
    Mixture,
    in_use,
    log_parts,
    log_sum,
    of_chosen,
    pick,
    place,
    relative,
    standardise,
)
from fhl_ppl.core.moves.move import Offer, Scene

Array = Any


class Transport:
    """From one mode to another."""

    partners = 0
    uniforms = 1
    between_modes = True

    def offer(self, scene: Scene) -> Offer:
        """Carry every particle over."""
        assert scene.homes is not None
        assert scene.extra is not None
        return transport(scene.homes.mixture, scene.position, scene.extra[:, 0])


def transport(mixture: Mixture, position: Array, uniform: Array) -> Offer:
    """Carry every particle over to another component.

    Parameters
    ----------
    mixture
        G.
    position
        q, shape [particle, dim].
    uniform
        On [0, 1), shape [particle]: picks both components.

    Where there is only one component the offer is to stay, and refused.
    """
    xp = array_namespace(position)
    share, height = relative(log_parts(mixture, position))
    start, left = pick(share, uniform)
    others = in_use(mixture.log_weight) & ~start
    goal, _ = pick(xp.astype(others, position.dtype), left)
    proposal = place(mixture, goal, of_chosen(start, standardise(mixture, position)))
    change = xp.astype(goal, position.dtype) - xp.astype(start, position.dtype)
    weight = xp.sum(change * mixture.log_weight, axis=1)
    correction = weight + height - log_sum(log_parts(mixture, proposal))
    possible = xp.any(others, axis=1)
    return Offer(
        xp.where(possible[:, None], proposal, position),
        xp.where(possible, correction, -xp.inf),
    )
