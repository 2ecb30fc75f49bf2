"""Small robust least-squares problems, one for each coordinate, by damped Gauss-Newton steps.

Each minimises sum_row seen (sqrt(1 + r^2) - 1) + ridge / 2 |weights - origin|^2 over weights of its
own.
"""

from collections.abc import Callable
from math import inf
from typing import Any

from fhl_ppl.core.arrays import array_namespace, eye
from fhl_ppl.core.control import Control

Array = Any

DAMPING = 1e-2
"""First damping, in units of the diagonal."""
ENOUGH = 1e-2
"""Share of its loss that some coordinate has to gain by a step for another, if most of them gained.
Judged by the sum of all, a child whose place is many of its widths from the others' was left half
way: a horseshoe's, for a coefficient of 23 standard errors, was right within the draws and 10
widths off where its scale was largest, and a chain that came there stayed."""
ROUNDING = 8.0
"""Least damping, for each weight, in units of rounding: two weights that do the same make a matrix
that is singular, which NumPy and PyTorch refuse."""

Reached = tuple[Array, Array, Array, Array, Array]
"""Weights, residuals, losses, damping, and whether to go on."""


def minimise(
    residual: Callable[[Array], Array],
    jacobian: Callable[[Array], Array],
    begin: Array,
    origin: Array,
    seen: Array,
    ridge: float,
    steps: int,
    control: Control,
    largest: Array = inf,
) -> tuple[Array, Array]:
    """The best weights found and their losses [dim].

    Parameters
    ----------
    residual
        r [dim, row] of weights [dim, weight].
    jacobian
        Its derivatives, shape [dim, weight, row].
    begin, origin
        Where to begin and what the ridge draws to, shape [dim, weight].
    seen
        Weight of each row, shape [row].
    ridge
        Draws that the origin counts for.
    steps
        How many to take.
    control
        Loops.
    largest
        How far from 0 weights may go, shape [weight].
    """
    xp = array_namespace(begin)

    def loss_of(weights: Array, r: Array) -> Array:
        robust = xp.sum(seen * (xp.sqrt(1 + r**2) - 1), axis=1)
        loss = robust + ridge / 2 * xp.sum((weights - origin) ** 2, axis=1)
        return xp.where(xp.isfinite(loss), loss, xp.full_like(loss, xp.inf))

    def improve(value: Reached) -> Reached:
        weights, r, loss, damping, _ = value
        slopes = jacobian(weights)
        weighted = slopes * (seen / xp.sqrt(1 + r**2))[:, None, :]
        downhill = (weighted @ r[:, :, None])[:, :, 0] + ridge * (weights - origin)
        proposed = weights - _solve(
            weighted @ xp.matrix_transpose(slopes), downhill, damping, ridge
        )
        proposed = xp.where(proposed > largest, largest, proposed)
        proposed = xp.where(proposed < -largest, -largest, proposed)
        there = residual(proposed)
        new = loss_of(proposed, there)
        better = new < loss
        lowest = xp.where(better, new, loss)
        gained = xp.any(better & (loss - new > ENOUGH * lowest))
        return (
            xp.where(better[:, None], proposed, weights),
            xp.where(better[:, None], there, r),
            lowest,
            xp.where(better, damping / 4, damping * 6),
            gained | (xp.sum(better * 1) < xp.sum(~better * 1)),
        )

    def step(_: Any, value: Reached) -> Reached:
        return control.cond(value[4], improve, lambda same: same, value)

    r = residual(begin)
    loss = loss_of(begin, r)
    begun = begin, r, loss, xp.full_like(loss, DAMPING), xp.any(seen > 0)
    weights, _, loss, *_ = control.fori_loop(0, steps, step, begun)
    return weights, loss


def _solve(normal: Array, downhill: Array, damping: Array, ridge: float) -> Array:
    """Steps [dim, weight]; none where numbers are missing."""
    xp = array_namespace(normal)
    no = eye(normal[0, :, :])
    least = xp.full_like(damping, ROUNDING * no.shape[0] * xp.finfo(no.dtype).eps)
    damping = xp.where(damping > least, damping, least)
    diagonal = ridge + damping[:, None] * (xp.sum(normal * no, axis=2) + ridge)
    matrix = normal + diagonal[:, :, None] * no
    usable = xp.all(xp.isfinite(matrix), axis=(1, 2)) & xp.all(xp.isfinite(downhill), axis=1)
    matrix = xp.where(usable[:, None, None], matrix, no)
    downhill = xp.where(usable[:, None], downhill, xp.zeros_like(downhill))
    return xp.linalg.solve(matrix, downhill[:, :, None])[:, :, 0]
