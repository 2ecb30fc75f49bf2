"""G = sum_k w_k N(c_k, S_k): what is known of all modes that were seen, one Gaussian each.

The number of components is fixed by the shapes; some may not be in use. What warm-up has learnt in
`learners.archive` is frozen in it, and the moves between modes draw from it
(`moves.mixture_renewal`, `moves.transport`).
"""

from math import log, pi
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace

Array = Any

UNUSED = -1e30
"""log w of a component that is not in use: finite, so that no difference is no number."""

IGNORED = 1e-5
"""Mass, relative to the largest, below which a mode is kept but not visited. That of a mode
that is no Gaussian and was left early may be estimated as a thousandth of what it is (phase_wrap:
exp(-10.4) for .027)."""


class Mixture(NamedTuple):
    """Gaussians, each with any square root L of its covariance, S = L L'.

    Attributes
    ----------
    log_weight
        log w, `UNUSED` where a component is not in use; their exponentials add up to 1. Shape
        [component].
    centre
        c, shape [component, dim].
    root
        L, shape [component, dim, dim].
    inverse_root
        L^-1, same shape.
    log_volume
        log det L, shape [component].
    """

    log_weight: Array
    centre: Array
    root: Array
    inverse_root: Array
    log_volume: Array


def in_use(log_weight: Array) -> Array:
    """Which components are."""
    return log_weight > UNUSED / 2


def standardise(mixture: Mixture, position: Array) -> Array:
    """L_k^-1 (q - c_k): [particle, dim] to [component, particle, dim]."""
    xp = array_namespace(position)
    centred = position[None, :, :] - mixture.centre[:, None, :]
    return centred @ xp.matrix_transpose(mixture.inverse_root)


def log_parts(mixture: Mixture, position: Array) -> Array:
    """log w_k + log N(q; c_k, S_k): [particle, dim] to [particle, component]."""
    xp = array_namespace(position)
    standard = standardise(mixture, position)
    constant = position.shape[1] * log(2 * pi) / 2
    height = mixture.log_weight - mixture.log_volume - constant
    return height - xp.matrix_transpose(xp.sum(standard * standard, axis=2)) / 2


def log_sum(parts: Array) -> Array:
    """log sum exp over the last axis."""
    return relative(parts)[1]


def relative(parts: Array) -> tuple[Array, Array]:
    """exp of the `parts`, but for a factor, and log sum exp over their last axis."""
    xp = array_namespace(parts)
    most = xp.max(parts, axis=-1, keepdims=True)
    share = xp.exp(parts - most)
    return share, xp.log(xp.sum(share, axis=-1)) + most[..., 0]


def pick(share: Array, uniform: Array) -> tuple[Array, Array]:
    """Pick an option with probabilities as `share`, and recycle the uniform number.

    Parameters
    ----------
    share
        Probabilities but for a factor, shape [..., option]; or [1, option], the same for all.
    uniform
        On [0, 1), shape [...].

    Returns
    -------
    Which, one-hot [..., option], and a number [...] that is uniform whichever was picked.
    """
    xp = array_namespace(share)
    upper = xp.cumulative_sum(share, axis=-1)
    lower = xp.concat([xp.zeros_like(upper[..., :1]), upper[..., :-1]], axis=-1)
    uniform = uniform[..., None] * upper[..., -1:]
    chosen = (lower <= uniform) & (uniform < upper)
    width = xp.where(chosen, share, xp.ones_like(share))
    left = xp.sum(xp.where(chosen, (uniform - lower) / width, xp.zeros_like(share)), axis=-1)
    return chosen, xp.clip(left, 0.0, 1.0)


def of_chosen(chosen: Array, values: Array) -> Array:
    """The chosen component's: one-hot [particle, component], [component, dim] to [particle, dim].

    Values [component, particle, dim] give each particle a row of its own.
    """
    xp = array_namespace(values)
    weight = xp.astype(chosen, values.dtype)
    if values.ndim == 1:
        return xp.sum(xp.where(chosen, values, xp.zeros_like(values)), axis=1)
    if values.ndim == 2:
        return weight @ values
    return xp.sum(xp.matrix_transpose(weight)[:, :, None] * values, axis=0)


def place(mixture: Mixture, chosen: Array, standard: Array) -> Array:
    """c_l + L_l x for chosen components l, one-hot, and x [particle, dim]: [particle, dim]."""
    xp = array_namespace(standard)
    size, dim = standard.shape
    weight = xp.astype(chosen, standard.dtype)
    # One product of matrices, in which those of other components meet 0.
    apart = xp.reshape(weight[:, :, None] * standard[:, None, :], (size, -1))
    roots = xp.reshape(xp.matrix_transpose(mixture.root), (-1, dim))
    return weight @ mixture.centre + apart @ roots
