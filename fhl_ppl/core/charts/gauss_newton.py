"""Small robust least-squares problems, one for each coordinate, by damped Gauss-Newton steps.

Each minimises sum_row seen (sqrt(1 + r^2) - 1) + ridge / 2 |weights - origin|^2 over weights of its
own.
"""

from collections.abc import Callable
from math import inf
from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.charts.rows import eye
from fhl_ppl.core.control import Control

Array = Any

DAMPING = 1e-2
"""First damping, in units of the diagonal."""


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
        r [row, dim] of weights [dim, weight].
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

    def loss_of(weights: Array) -> Array:
        robust = xp.sum(seen[:, None] * (xp.sqrt(1 + residual(weights) ** 2) - 1), axis=0)
        loss = robust + ridge / 2 * xp.sum((weights - origin) ** 2, axis=1)
        return xp.where(xp.isfinite(loss), loss, xp.full_like(loss, xp.inf))

    def improve(_: Any, value: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        weights, loss, damping = value
        r, slopes = residual(weights), jacobian(weights)
        weighted = slopes * xp.matrix_transpose(seen[:, None] / xp.sqrt(1 + r**2))[:, None, :]
        downhill = xp.sum(weighted * xp.matrix_transpose(r)[:, None, :], axis=2)
        downhill = downhill + ridge * (weights - origin)
        proposed = weights - _solve(
            weighted @ xp.matrix_transpose(slopes), downhill, damping, ridge
        )
        proposed = xp.where(proposed > largest, largest, proposed)
        proposed = xp.where(proposed < -largest, -largest, proposed)
        new = loss_of(proposed)
        better = new < loss
        return (
            xp.where(better[:, None], proposed, weights),
            xp.where(better, new, loss),
            xp.where(better, damping / 4, damping * 6),
        )

    damping = xp.full_like(begin[:, 0], DAMPING)
    weights, loss, _ = control.fori_loop(0, steps, improve, (begin, loss_of(begin), damping))
    return weights, loss


def _solve(normal: Array, downhill: Array, damping: Array, ridge: float) -> Array:
    """Steps [dim, weight]; none where numbers are missing."""
    xp = array_namespace(normal)
    no = eye(normal[0, :, :])
    diagonal = ridge + damping[:, None] * (xp.sum(normal * no, axis=2) + ridge)
    matrix = normal + diagonal[:, :, None] * no
    usable = xp.all(xp.isfinite(matrix), axis=(1, 2)) & xp.all(xp.isfinite(downhill), axis=1)
    matrix = xp.where(usable[:, None, None], matrix, no)
    downhill = xp.where(usable[:, None], downhill, xp.zeros_like(downhill))
    return xp.linalg.solve(matrix, downhill[:, :, None])[:, :, 0]
