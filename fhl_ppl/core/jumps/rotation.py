"""Rotation about a centre that rests (section 8): q' = c + (q - c) cos t + xi sin t.

With xi ~ N(0, Sigma) it leaves N(c, Sigma) invariant, so the test needs only what the posterior
differs from it by: log a = U(q) - U(q') + R(q') - R(q), R(q) = (q - c)' Sigma^-1 (q - c) / 2. No
gradient is asked for. The proposals of elliptical slice sampling, with a Metropolis test.
"""

from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.metric import AnyMetric, draw_momentum, velocity, whiten

Array = Any


def rotate(
    metric: AnyMetric, centre: Array, angle: Array, position: Array, noise: Array
) -> tuple[Array, Array]:
    """Turn every particle about its centre.

    Parameters
    ----------
    metric
        Sigma is its M^-1.
    centre
        c of each particle, shape [particle, dim].
    angle
        t of each particle, shape [particle].
    position, noise
        q and standard normal numbers, shape [particle, dim].

    Returns
    -------
    The proposals [particle, dim], and R(q') - R(q) [particle].
    """
    xp = array_namespace(position)
    xi = velocity(metric, draw_momentum(metric, noise))
    cosine, sine = xp.cos(angle)[:, None], xp.sin(angle)[:, None]
    turned = centre + cosine * (position - centre) + sine * xi
    return turned, _energy(metric, turned - centre) - _energy(metric, position - centre)


def _energy(metric: AnyMetric, displacement: Array) -> Array:
    whitened = whiten(metric, displacement)
    return array_namespace(displacement).vecdot(whitened, whitened) / 2
