"""Transport: to the same place in another mode (section 10).

A component k is drawn from r_k(q) = w_k N(q; c_k, S_k) / G(q), another, l, from a fixed table
P(l given k), and q' = c_l + L_l L_k^-1 (q - c_k). The way back draws l from r(q') and k from the
table, and the map changes the volume by det L_l / det L_k:

    log a = U - U' + log det L_l - log det L_k + log r_l(q') P(k given l) - log r_k(q) P(l given k).

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
    standardise,
)
from fhl_ppl.core.moves.move import Offer, Scene

Array = Any


class Transport:
    """From one mode to another."""

    needs_partners = False
    uniforms = 1
    between_modes = True

    def offer(self, scene: Scene) -> Offer:
        """Carry every particle over."""
        assert scene.homes is not None
        assert scene.extra is not None
        return transport(scene.homes.mixture, scene.position, scene.extra[:, 0])


def table(mixture: Mixture) -> Array:
    """P(l given k), shape [component k, component l]: the other components in use, alike.

    The rows of components without another are 0.
    """
    xp = array_namespace(mixture.centre)
    used = xp.astype(in_use(mixture.log_weight), mixture.centre.dtype)
    order = xp.cumulative_sum(xp.ones_like(used))
    other = xp.astype(order[:, None] != order, used.dtype) * used
    total = xp.sum(other, axis=1, keepdims=True)
    return other / xp.where(total > 0, total, xp.ones_like(total))


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
    log_other = _log(table(mixture))
    responsible = _log_responsibilities(mixture, position)
    start, left = pick(xp.exp(responsible), uniform)
    row = xp.astype(start, position.dtype) @ xp.exp(log_other)
    goal, _ = pick(row, left)
    standard = of_chosen(start, standardise(mixture, position))
    proposal = place(mixture, goal, standard)

    def chosen(of, values):
        return xp.sum(xp.where(of, values, xp.zeros_like(values)), axis=1)

    returning = _log_responsibilities(mixture, proposal)
    to_and_fro = of_chosen(start, xp.matrix_transpose(log_other)), of_chosen(start, log_other)
    correction = (
        of_chosen(goal, mixture.log_volume)
        - of_chosen(start, mixture.log_volume)
        + chosen(goal, returning)
        - chosen(start, responsible)
        + chosen(goal, to_and_fro[0])
        - chosen(goal, to_and_fro[1])
    )
    possible = xp.any(goal, axis=1)
    return Offer(
        xp.where(possible[:, None], proposal, position),
        xp.where(possible, correction, -xp.inf),
    )


def _log_responsibilities(mixture: Mixture, position: Array) -> Array:
    parts = log_parts(mixture, position)
    return parts - log_sum(parts)[:, None]


def _log(values: Array) -> Array:
    """log, of 0 a number so small that it never counts: 0 times it must still be 0."""
    xp = array_namespace(values)
    positive = values > 0
    safe = xp.log(xp.where(positive, values, xp.ones_like(values)))
    return xp.where(positive, safe, xp.full_like(values, -1e30))
