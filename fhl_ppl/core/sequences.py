"""Sequences that spread choices evenly over iterations, and depend on nothing else."""

from typing import Any

from array_api_compat import device

from fhl_ppl.core.arrays import array_namespace

Array = Any

_BITS = 20


def van_der_corput(iteration: Array, like: Array) -> Array:
    """Element `iteration` of the base-2 van der Corput sequence, in [0, 1).

    Spreads the jitter evenly over any stretch of iterations, and depends on nothing else. A scalar,
    or an array if `iteration` is one; `like` is a floating-point scalar.
    """
    xp = array_namespace(like)
    power = xp.asarray([2.0**k for k in range(_BITS)], dtype=like.dtype, device=device(like))
    bits = xp.floor((iteration + xp.zeros_like(like))[..., None] / power) % 2
    return xp.sum(bits / power, axis=-1) / 2
