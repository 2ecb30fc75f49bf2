"""Rotation about a centre that rests (section 8): q' = c + (q - c) cos t + xi sin t.

With xi ~ N(0, Sigma) it leaves N(c, Sigma) invariant, so the test needs only what the posterior
differs from it by: log a = U(q) - U(q') + R(q') - R(q), R(q) = (q - c)' Sigma^-1 (q - c) / 2. No
gradient is asked for. The proposals of elliptical slice sampling, with a Metropolis test.
"""

from math import pi
from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.metrics import AnyMetric, whiten
from fhl_ppl.core.moves.move import Offer, Scene

Array = Any


class Rotation:
    """A turn about the centre of the fitted Gaussian, by up to a right angle."""

    partners = 0
    uniforms = 0
    between_modes = False

    def offer(self, scene: Scene) -> Offer:
        """Turn by the iteration's share of a right angle."""
        xp = array_namespace(scene.position)
        right = xp.full_like(scene.potential_energy, pi / 2)
        fitted = scene.fitted
        return rotate(fitted.metric, fitted.centre, right * scene.turn, scene.position, scene.xi)


def rotate(metric: AnyMetric, centre: Array, angle: Array, position: Array, xi: Array) -> Offer:
    """Turn every particle about its centre.

    Parameters
    ----------
    metric
        Sigma is its M^-1.
    centre
        c of each particle, shape [particle, dim] or [dim].
    angle
        t of each particle, shape [particle].
    position, xi
        q and draws from N(0, Sigma), shape [particle, dim].
    """
    xp = array_namespace(position)
    cosine, sine = xp.cos(angle)[:, None], xp.sin(angle)[:, None]
    away = position - centre
    # R(q) is half the squared length of this, and the turn is linear.
    before, spun = whiten(metric, away), whiten(metric, xi)
    after = cosine * before + sine * spun
    correction = xp.sum(after * after - before * before, axis=1) / 2
    return Offer(centre + cosine * away + sine * xi, correction)
