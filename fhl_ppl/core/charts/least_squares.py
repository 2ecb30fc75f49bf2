"""Weights of all children at once, by damped Gauss-Newton steps on the Fisher divergence.

Child j wants r_j = exp(s_j) h_j - (w_j - m_j) exp(-s_j) to be 0, h being the gradient of U by w:
then its gradient in y is y. r_j depends on the child's own weights alone, so that each is a small
problem, and for a child that is Gaussian given the drivers, with the precision of `conditional`,
one without residual: solved exactly from few draws, wherever they come from.
"""

from collections.abc import Callable
from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.charts import conditional
from fhl_ppl.core.charts.conditional import Conditional, Drivers
from fhl_ppl.core.charts.gauss_newton import minimise
from fhl_ppl.core.charts.rows import transposed
from fhl_ppl.core.control import Control
from fhl_ppl.core.stacked import stack

Array = Any

RIDGE = 0.05
"""Draws that the guess counts for. In halves of 400 draws of two windows of
brownian_unknown_scales 0.02 gave losses of .117 and .075, 0.3 .094 and .069, 2 .090 and .068. But
locations that are drawn to 0 miss the neck of a funnel: at 4 standard deviations the energy was off
by 25 with 1, and right with 0.1."""
EXPONENT = 2.0
"""A precision goes with this power of a scale: where searches for slopes start."""
FIRST_STEPS = 4
LAST_STEPS = 16
"""Most steps from each start, and on from the best."""


def fit_from_starts(
    starts: Array,
    number: Array,
    origin: Callable[[Array], Conditional],
    drivers: Drivers,
    position: Array,
    gradient: Array,
    weights: Array,
    control: Control,
    free: Conditional | None = None,
) -> Conditional:
    """Weights fitted to rows weighted by each of `weights` [fit, row], stacked.

    The first `number` of `starts` [start, 2, 1 + K, dim], precisions, are tried on the first rows.
    The best of a child's is where its other fits begin. `origin` says what the ridge draws to,
    given where a fit begins.
    """
    xp = array_namespace(position)
    numbers = xp.cumulative_sum(xp.ones_like(starts[:, 0, 0, 0])) - 1

    def try_one(
        i: Any, value: tuple[Array, Conditional, Array]
    ) -> tuple[Array, Conditional, Array]:
        start, best, lowest = value
        chosen = xp.sum(xp.where((numbers == i)[:, None, None, None], starts, 0 * starts), axis=0)
        guess = origin(chosen)
        given = guess._replace(precision=chosen)
        found, loss = fit(
            given, guess, drivers, position, gradient, weights[0, :], FIRST_STEPS, control, free
        )
        better = loss < lowest
        start, best = select(better, (chosen, found), (start, best))
        return start, best, xp.where(better, loss, lowest)

    first = starts[0, :, :, :]
    nothing = first, origin(first), xp.full_like(position[0, :], xp.inf)
    start, best, _ = control.fori_loop(0, number, try_one, nothing)
    guess = origin(start)
    begins = [best] + [guess._replace(precision=start)] * (weights.shape[0] - 1)

    def fit_one(given: tuple[Conditional, Array]) -> Conditional:
        begin, seen = given
        return fit(begin, guess, drivers, position, gradient, seen, LAST_STEPS, control, free)[0]

    return control.map(fit_one, (stack(begins), weights))


def select(which: Array, new: Any, old: Any) -> Any:
    """`new` where `which`, a boolean [dim] or a scalar, else `old`: nested tuples of a kind."""
    if isinstance(new, tuple):
        parts = [select(which, a, b) for a, b in zip(new, old, strict=True)]
        return type(new)(*parts) if hasattr(new, "_fields") else tuple(parts)
    return array_namespace(new).where(which, new, old)


def fit(
    start: Conditional,
    guess: Conditional,
    drivers: Drivers,
    position: Array,
    gradient: Array,
    seen: Array,
    steps: int,
    control: Control,
    free: Conditional | None = None,
) -> tuple[Conditional, Array]:
    """Weights that make the children standard normal, and their losses [dim].

    Parameters
    ----------
    start
        Where to begin.
    guess
        What the ridge draws to.
    drivers
        u_1, ..., u_K, of all or of each child: see `conditional`.
    position, gradient
        w and h, shape [row, dim].
    seen
        Weight of each row, shape [row].
    steps
        How many to take.
    control
        Loops.
    free
        1 for weights that are fitted, 0 for those that stay; default all are.
    """
    xp = array_namespace(position)
    moves = 1.0 if free is None else _flat(xp, free)[:, :, None]

    # What is summed over lies together: twice as fast.
    drivers = tuple(transposed(each) for each in drivers)
    position, gradient = transposed(position), transposed(gradient)

    def of_columns(flat: Array) -> Conditional:
        return Conditional(*(part[..., None] for part in _unflat(xp, start, flat)))

    def residual_of(flat: Array) -> Array:
        parts = conditional.evaluate(of_columns(flat), drivers)
        return residual(parts, position, gradient)

    def jacobian_of(flat: Array) -> Array:
        return moves * _jacobian(xp, of_columns(flat), drivers, position, gradient)

    flat, loss = minimise(
        residual_of,
        jacobian_of,
        _flat(xp, start),
        _flat(xp, guess),
        seen,
        RIDGE,
        steps,
        control,
    )
    return _unflat(xp, start, flat), loss


def residual(parts: conditional.Parts, position: Array, gradient: Array) -> Array:
    """r, of the shape of the positions."""
    return parts.scale * gradient - (position - parts.location) / parts.scale


def _jacobian(
    xp: Any, weights: Conditional, drivers: Drivers, position: Array, gradient: Array
) -> Array:
    """Derivatives of the residual [dim, weight, row] in the order of the weights [..., dim, 1]."""
    parts = conditional.evaluate(weights, drivers)
    inverse = 1 / parts.scale
    # d r / d s and d r / d m.
    by_scale = gradient * parts.scale + (position - parts.location) * inverse
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
    columns = [each * u for each in factors for u in (1, *drivers)]
    columns += [each + 0 * inverse for each in conditional.products(drivers)]
    return xp.stack(columns, axis=1)


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
