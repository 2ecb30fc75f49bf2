"""How far to integrate: the principal scale of the whitened posterior (section 7, trajectory)."""

from typing import Any, NamedTuple

from array_api_compat import device

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.metric import AnyMetric, whiten

Array = Any

LENGTH_FACTOR = 1.4
"""c in T = c sigma_max; pi / 2 takes a Gaussian direction of that scale to an independent point. A
little less, as what is not Gaussian is mostly narrower."""
JITTER = 0.4
"""j: T is spread over (1 - j, 1 + j) times its value, against periodic orbits, and so that some are
short: those are accepted where the posterior is narrow. With 1.6 and 0.25 half of six runs of
radon_mn had an R-hat above 1.05, with 1.4 and 0.5 none; nes2000 pays 8%. 0.4 is between them."""
EARLY_STEPS = 8
"""Cap on L in the first iteration of warm-up."""
EARLY_GROWTH = 0.5
"""Steps by which the cap grows in each iteration of warm-up."""
_BITS = 20


class Kind(NamedTuple):
    """One of several ways to choose eta and L, where the gradient is not to be trusted.

    Attributes
    ----------
    max_num_steps, min_num_steps
        Bounds on L. The lower one holds for the longest T, by a bound on eta.
    target_accept_prob
        Acceptance that eta aims at.
    """

    max_num_steps: int
    target_accept_prob: float
    min_num_steps: int = 1


class PrincipalScale(NamedTuple):
    """Running power iteration for the widest direction.

    Attributes
    ----------
    direction
        Covariance times the last direction, shape [dim]; its norm estimates sigma_max^2.
    mean
        Running mean of the whitened position, shape [dim].
    count
        Iterations since the last restart.
    """

    direction: Array
    mean: Array
    count: Array


def restart(position: Array, metric: AnyMetric) -> PrincipalScale:
    """Begin with unit scale and no preferred direction."""
    xp = array_namespace(position)
    ones = xp.ones_like(position[0, :])
    return PrincipalScale(
        ones / xp.sqrt(xp.sum(ones)), xp.mean(whiten(metric, position), axis=0), xp.sum(ones) * 0
    )


def update(scale: PrincipalScale, position: Array, metric: AnyMetric) -> PrincipalScale:
    """One step of the power iteration with all particles, position [particle, dim]."""
    xp = array_namespace(position)
    count, weight, mean, centred = recentre(scale, position, metric)
    unit = scale.direction / xp.sqrt(xp.sum(scale.direction**2))
    image = xp.mean(centred * (centred @ unit)[:, None], axis=0)
    direction = (1 - weight) * scale.direction + weight * image
    # Squares of far-off positions may overflow; one such iteration must not spoil the rest.
    usable = xp.all(xp.isfinite(direction))
    return PrincipalScale(
        xp.where(usable, direction, scale.direction), xp.where(usable, mean, scale.mean), count
    )


def recentre(scale: Any, position: Array, metric: AnyMetric) -> tuple[Array, Array, Array, Array]:
    """Follow the whitened positions' mean in one more iteration.

    Returns
    -------
    The count, how much this iteration weighs, the mean [dim], and the positions less it
    [particle, dim].
    """
    xp = array_namespace(position)
    count = scale.count + 1
    whitened = whiten(metric, position)
    mean = scale.mean + 1 / (count + 1) * (xp.mean(whitened, axis=0) - scale.mean)
    return count, 4 / (count + 8), mean, whitened - mean


def sigma_max(scale: PrincipalScale) -> Array:
    """Standard deviation along the widest direction of the whitened space."""
    xp = array_namespace(scale.direction)
    return xp.sqrt(xp.sqrt(xp.sum(scale.direction**2)))


def van_der_corput(iteration: Array, like: Array) -> Array:
    """Element `iteration` of the base-2 van der Corput sequence, in [0, 1).

    Spreads the jitter evenly over any stretch of iterations, and depends on nothing else. A scalar,
    or an array if `iteration` is one; `like` is a floating-point scalar.
    """
    xp = array_namespace(like)
    power = xp.asarray([2.0**k for k in range(_BITS)], dtype=like.dtype, device=device(like))
    bits = xp.floor((iteration + xp.zeros_like(like))[..., None] / power) % 2
    return xp.sum(bits / power, axis=-1) / 2


def jittered(length: Array, iteration: Array) -> Array:
    """(1 - j + 2 j h) T for the iteration at hand."""
    return (1 - JITTER + 2 * JITTER * van_der_corput(iteration, length)) * length


def steps_for(length: Array, step_size: Array, cap: Array, stages: int = 1) -> Array:
    """L = ceil(T / eta), at least 1 and at most `cap`, as a floating-point scalar.

    Above 1 it is rounded up to a multiple of `stages`, and the cap down.
    """
    xp = array_namespace(length)
    steps = xp.ceil(length / step_size)
    if stages > 1:
        cap = stages * xp.floor(cap / stages)
        steps = xp.where(steps > 1, stages * xp.ceil(steps / stages), steps)
    return xp.maximum(xp.minimum(steps, cap), xp.ones_like(steps))


def longest(length: Array) -> Array:
    """The longest T that `jittered` makes of a `length`."""
    return (1 + JITTER) * length


def share_beyond(bound: Array, length: Array) -> Array:
    """Share of the T that `jittered` makes of a `length` which are longer than `bound`."""
    xp = array_namespace(length)
    return xp.clip((longest(length) - bound) / (2 * JITTER * length), 0.0, 1.0)


def steps_cap(iteration: Array, num_warmup: int, max_num_steps: int, like: Array) -> Array:
    """Most steps allowed in an iteration: few while the metric is young.

    A long trajectory in a poor metric is dear and teaches little more than a short one; measured,
    nine tenths of all gradients went into the first sixty iterations without this cap.
    """
    xp = array_namespace(like)
    young = xp.full_like(like, EARLY_STEPS) + EARLY_GROWTH * iteration
    cap = xp.where(iteration < xp.full_like(like, num_warmup), young, xp.full_like(like, xp.inf))
    return xp.minimum(cap, xp.zeros_like(like) + max_num_steps)
