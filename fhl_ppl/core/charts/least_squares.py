"""Weights of all children at once, by damped Gauss-Newton steps on the Fisher divergence.

Child j wants r_j = exp(s_j) h_j - (w_j - m_j) exp(-s_j) to be 0, h being the gradient of U by w:
then its gradient in y is y. r_j depends on the child's own weights alone, so that each is a small
problem, and for a child that is Gaussian given the drivers, with the precision of `conditional`,
one without residual: solved exactly from few draws, wherever they come from.
"""

from typing import Any

from array_api_compat import device

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.charts import conditional
from fhl_ppl.core.charts.conditional import Conditional
from fhl_ppl.core.control import Control

Array = Any

RIDGE = 0.05
"""Draws that the guess counts for. In halves of 400 draws of two windows of
brownian_unknown_scales 0.02 gave losses of .117 and .075, 0.3 .094 and .069, 2 .090 and .068. But
locations that are drawn to 0 miss the neck of a funnel: at 4 standard deviations the energy was off
by 25 with 1, and right with 0.1."""
DAMPING = 1e-2
"""First damping, in units of the diagonal."""


def fit(
    start: Conditional,
    guess: Conditional,
    drivers: Array,
    position: Array,
    gradient: Array,
    seen: Array,
    steps: int,
    control: Control,
) -> tuple[Conditional, Array]:
    """Weights that make the children standard normal, and their losses [dim].

    Parameters
    ----------
    start
        Where to begin.
    guess
        What the ridge draws to.
    drivers
        u, shape [row, K].
    position, gradient
        w and h, shape [row, dim].
    seen
        Weight of each row, shape [row].
    steps
        How many to take.
    control
        Loops.
    """
    xp = array_namespace(position)
    origin, begin = _flat(xp, guess), _flat(xp, start)
    damping = xp.full_like(position[0, :], DAMPING)
    loss = _loss(xp, start, begin, origin, drivers, position, gradient, seen)

    def improve(_: Any, value: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        flat, loss, damping = value
        step = _step(xp, start, flat, origin, damping, drivers, position, gradient, seen)
        proposed = flat + step
        new = _loss(xp, start, proposed, origin, drivers, position, gradient, seen)
        better = new < loss
        return (
            xp.where(better[:, None], proposed, flat),
            xp.where(better, new, loss),
            xp.where(better, damping / 4, damping * 6),
        )

    flat, loss, _ = control.fori_loop(0, steps, improve, (begin, loss, damping))
    return _unflat(xp, start, flat), loss


def residual(parts: conditional.Parts, position: Array, gradient: Array) -> Array:
    """r, shape [row, dim]."""
    xp = array_namespace(position)
    scale = xp.exp(parts.log_scale)
    return scale * gradient - (position - parts.location) / scale


def _loss(
    xp: Any,
    like: Conditional,
    flat: Array,
    origin: Array,
    drivers: Array,
    position: Array,
    gradient: Array,
    seen: Array,
) -> Array:
    parts = conditional.evaluate(_unflat(xp, like, flat), drivers)
    r = residual(parts, position, gradient)
    robust = xp.sum(seen[:, None] * (xp.sqrt(1 + r**2) - 1), axis=0)
    loss = robust + RIDGE / 2 * xp.sum((flat - origin) ** 2, axis=1)
    return xp.where(xp.isfinite(loss), loss, xp.full_like(loss, xp.inf))


def _step(
    xp: Any,
    like: Conditional,
    flat: Array,
    origin: Array,
    damping: Array,
    drivers: Array,
    position: Array,
    gradient: Array,
    seen: Array,
) -> Array:
    weights = _unflat(xp, like, flat)
    parts = conditional.evaluate(weights, drivers)
    given = conditional.features(drivers)
    r = residual(parts, position, gradient)
    inverse = xp.exp(-parts.log_scale)
    # d r / d s and d r / d m.
    by_scale = gradient / inverse + (position - parts.location) * inverse
    near = parts.share[0] * parts.near[0] + parts.share[1] * parts.near[1]
    far = parts.reach[0] * parts.far[0] + parts.reach[1] * parts.far[1]
    factors = [
        -parts.share[k] / 2 * by_scale
        + inverse
        * (
            parts.share[k] * (parts.near[k] - near - far - parts.bent / 2)
            + parts.reach[k] * parts.far[k] / 2
        )
        for k in range(2)
    ]
    factors += [inverse * each for each in (*parts.share, *parts.reach)]
    # [dim, factor, feature, row] and [dim, product, row], in the order of the weights.
    columns = xp.stack([xp.matrix_transpose(each) for each in factors], axis=1)
    columns = columns[:, :, None, :] * xp.matrix_transpose(given)
    columns = xp.reshape(columns, (position.shape[1], -1, position.shape[0]))
    products = [xp.matrix_transpose(each + 0 * inverse) for each in conditional.products(drivers)]
    jacobian = xp.concat([columns, xp.stack(products, axis=1)], axis=1)
    weight = seen[:, None] / xp.sqrt(1 + r**2)
    weighted = jacobian * xp.matrix_transpose(weight)[:, None, :]
    normal = weighted @ xp.matrix_transpose(jacobian)
    slope = xp.sum(weighted * xp.matrix_transpose(r)[:, None, :], axis=2)
    slope = slope + RIDGE * (flat - origin)
    eye = xp.eye(normal.shape[1], dtype=normal.dtype, device=device(normal))
    diagonal = xp.sum(normal * eye, axis=2)
    diagonal = RIDGE + damping[:, None] * (diagonal + RIDGE)
    matrix = normal + diagonal[:, :, None] * eye
    usable = xp.all(xp.isfinite(matrix), axis=(1, 2)) & xp.all(xp.isfinite(slope), axis=1)
    matrix = xp.where(usable[:, None, None], matrix, eye)
    slope = xp.where(usable[:, None], slope, xp.zeros_like(slope))
    return -xp.linalg.solve(matrix, slope[:, :, None])[:, :, 0]


def _flat(xp: Any, weights: Conditional) -> Array:
    """All weights of a child in a row, shape [dim, weight]."""
    dim = weights.bend.shape[1]
    return xp.matrix_transpose(xp.concat([xp.reshape(part, (-1, dim)) for part in weights], axis=0))


def _unflat(xp: Any, like: Conditional, flat: Array) -> Conditional:
    columns, parts, begin = xp.matrix_transpose(flat), [], 0
    for part in like:
        size = 1
        for length in part.shape[:-1]:
            size *= length
        parts.append(xp.reshape(columns[begin : begin + size, :], part.shape))
        begin += size
    return Conditional(*parts)
