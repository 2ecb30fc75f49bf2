"""Which coordinates drive the others: those with which the rest's gradient changes its slope.

In a Gaussian the whitened gradient h is the whitened position w. Where it is not, r = h - w; if the
precision depends on coordinate i, r is correlated with the products x_i w_k. The squares of all
these correlations, sum_jk E[x_i r_j w_k]^2, are the score of i. Terms with i's own r and w are left
out: they are there for each child too, as a third moment is symmetric, and would make drivers of
children. Summed over pairs of draws it costs products of [row, row] matrices, and no tensor.
"""

from typing import Any

from fhl_ppl.core.arrays import array_namespace

Array = Any


def scores(candidates: Array, residual: Array, position: Array, seen: Array) -> Array:
    """Score of each candidate, shape [dim]; unbiased, so that it may be negative.

    Parameters
    ----------
    candidates
        x, standardised, shape [row, dim].
    residual, position
        r and w, shape [row, dim].
    seen
        Weight of each row, shape [row].
    """
    xp = array_namespace(position)
    dim = position.shape[1]
    # Far out both are huge; bounded, a few draws do not settle it. (Not so, x_67 of a funnel in 100
    # dimensions came out on top.)
    weight = (seen / xp.sqrt(1 + xp.sum(residual**2, axis=1) / dim))[:, None]
    bound = 1 / xp.sqrt(1 + xp.sum(position**2, axis=1) / dim)[:, None]
    # A candidate's own direction among the whitened axes.
    own = xp.matrix_transpose(position * seen[:, None]) @ candidates
    own = own / xp.sqrt(xp.sum(own**2, axis=0))
    residual, position = residual * weight, position * bound
    candidates = candidates / xp.sqrt(1 + candidates**2 / 4)
    own_residual, own_position = residual @ own, position @ own
    among_residuals = residual @ xp.matrix_transpose(residual)
    among_positions = position @ xp.matrix_transpose(position)
    total = xp.sum(candidates * ((among_residuals * among_positions) @ candidates), axis=0)
    total = total - xp.sum(
        xp.matmul(xp.matrix_transpose(residual), candidates * own_position) ** 2, axis=0
    )
    total = total - xp.sum(
        xp.matmul(xp.matrix_transpose(position), candidates * own_residual) ** 2, axis=0
    )
    total = total + xp.sum(candidates * own_residual * own_position, axis=0) ** 2
    rest_r = xp.sum(residual**2, axis=1)[:, None] - own_residual**2
    rest_w = xp.sum(position**2, axis=1)[:, None] - own_position**2
    by_itself = xp.sum(candidates**2 * rest_r * rest_w, axis=0)
    return (total - by_itself) / xp.sum(weight) ** 2


def first_largest(values: Array) -> Array:
    """1 at the first of the largest values, 0 elsewhere, shape [dim]."""
    xp = array_namespace(values)
    largest = values == xp.max(values)
    first = xp.cumulative_sum(xp.astype(largest, values.dtype)) == 1
    return xp.astype(largest & first, values.dtype)
