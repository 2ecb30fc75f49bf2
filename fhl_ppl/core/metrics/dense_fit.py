"""The metric from what the particles have seen (section 7, mass matrix).

Two estimates of the same thing, M^-1 = the posterior covariance where the posterior is Gaussian:

- `from_scores` needs positions and *correct* gradients. It minimises the Fisher divergence
  between the whitened posterior and a standard normal: M^-1 = C(q) # C(g)^-1, the geometric mean of
  the covariance of the positions and the inverse covariance of the gradients (Seyboldt, Carlson
  and Carpenter 2026, arXiv:2603.18845). For a Gaussian it is exact after dim + 1 distinct draws,
  however badly they mix: so it is right long before the covariance of the positions is.
- `from_positions` needs nothing but positions: the covariance, its off-diagonals shrunk by as much
  as they are noise. For gradients that may be wrong.
"""

from typing import Any

from array_api_compat import device

from fhl_ppl.core.arrays import array_namespace, eye
from fhl_ppl.core.metrics import AnyMetric, velocity
from fhl_ppl.core.metrics.dense import Metric, eigen, eigen_of_root, make_metric, power
from fhl_ppl.core.moments.welford import Welford, covariance

Array = Any

SHRINKAGE = 5.0
"""s in count / (count + s dim): what is left of the off-diagonals of `from_positions` however
independent the draws are. Less would take more off the diagonal, which has a guess mixed in, than
off the rest, and leave no covariance."""
RIDGE = 1e-3
"""Weight, in draws, of the prior guess that a standardised direction has unit scale."""


def centre_from_scores(metric: AnyMetric, positions: Welford, gradients: Welford) -> Array:
    """c = mean(q) - M^-1 mean(g), shape [dim]: where the mean force would vanish.

    Together with the metric of `from_scores` it minimises the Fisher divergence to N(c, M^-1).
    """
    return positions.mean - velocity(metric, gradients.mean)


def from_positions(
    positions: Welford,
    gradients: Welford,
    structure: Array | None = None,
    draws: Array | None = None,
) -> Metric:
    """Shrunk covariance of the positions; `gradients` is not looked at.

    Chance alone gives each correlation of n independent draws a square of 1/n. What the squares of
    all exceed that by is real, and its share of them is the weight of the off-diagonals (Schaefer
    and Strimmer 2005, towards their target D).

    Parameters
    ----------
    positions, gradients
        Pooled moments with scatter [dim] (gives a diagonal metric) or [dim, dim].
    structure
        Which entries of M^-1 may differ from 0, boolean [dim, dim]; all, if None.
    draws
        n, how many independent draws the positions are worth, a scalar; all of them, if None.
    """
    xp = array_namespace(positions.mean)
    scatter = covariance(positions)
    variance = _diagonal(xp, scatter)
    count, dim = positions.count, positions.mean.shape[0]
    # Stan's guess of 1e-3 keeps a coordinate that has not moved yet from getting no mass.
    variance = (count * variance + 5e-3) / (count + 5)
    if scatter.ndim == 1:
        return make_metric(variance)
    on_diagonal = eye(variance) > 0
    correlation = scatter / xp.sqrt(variance[:, None] * variance)
    squares = xp.sum(xp.where(on_diagonal, xp.zeros_like(scatter), correlation**2))
    by_chance = dim * (dim - 1) / (count if draws is None else draws)
    real = xp.maximum(squares - by_chance, xp.zeros_like(squares))
    share = real / xp.where(squares > 0, squares, xp.ones_like(squares))
    scatter = _restrict(xp, scatter * (share * count / (count + SHRINKAGE * dim)), structure)
    return make_metric(xp.where(on_diagonal, variance, scatter))


def from_scores(
    positions: Welford,
    gradients: Welford,
    structure: Array | None = None,
    draws: Array | None = None,
) -> Metric:
    """Geometric mean of the positions' covariance and the gradients' inverse covariance.

    Directions that the draws have not explored get the scale of the diagonal estimate
    (var(q) / var(g))^(1/2), so fewer draws than dimensions are no trouble. A coordinate that has
    not moved at all leaves nothing to go by: the metric is then not finite.

    Parameters
    ----------
    positions, gradients
        Pooled moments with scatter [dim] (gives a diagonal metric) or [dim, dim].
    structure
        Which entries of M^-1 may differ from 0, boolean [dim, dim]; all, if None.
    draws
        Not looked at.
    """
    xp = array_namespace(positions.mean)
    # Of positions and of gradients.
    both = xp.stack([covariance(positions), covariance(gradients)])
    diagonals = both if both.ndim == 2 else xp.linalg.diagonal(both)
    spread_diagonal, force_diagonal = diagonals[0, :], diagonals[1, :]
    felt = force_diagonal > 0
    # A coordinate that feels no force (an unused parameter) is scaled by its spread alone.
    variance = xp.where(
        felt,
        xp.sqrt(spread_diagonal / xp.where(felt, force_diagonal, xp.ones_like(force_diagonal))),
        spread_diagonal,
    )
    if both.ndim == 2:
        return make_metric(variance)

    scale = xp.sqrt(variance)
    units = xp.stack([1 / scale, scale])
    rounding = 10 * scale.shape[0] * xp.finfo(scale.dtype).eps
    ridge = RIDGE / positions.count + rounding * xp.mean(diagonals * units**2, axis=1)
    # Without a force the ridge alone would stand against the spread, as if it were one.
    unfelt = xp.stack([xp.zeros_like(felt), ~felt])
    ridge = ridge[:, None] + xp.astype(unfelt, scale.dtype)
    both = _restrict(xp, both, structure) * units[:, :, None] * units[:, None, :]
    both = both + ridge[:, None, :] * eye(scale)
    spread, force = both[0, :, :], both[1, :, :]

    # spread # force^-1 = force^-1/2 (force^1/2 spread force^1/2)^1/2 force^-1/2.
    forces = _positive(eigen(force))
    root = power(forces, 0.5)
    inner = _positive(eigen_of_root(root @ power(_positive(eigen(spread)), 0.5)))
    half = scale[:, None] * (power(forces, -0.5) @ power(inner, 0.5))
    whitener = power(inner, -0.5) @ root / scale
    parts = (half @ xp.matrix_transpose(half), xp.matrix_transpose(whitener) @ whitener, whitener)
    # Blocks stay blocks in all of this, up to rounding.
    return Metric(*(_restrict(xp, part, structure) for part in parts))


def widest_direction(metric: Metric, positions: Welford) -> tuple[Array, Array]:
    """Unit vector [dim] along which the whitened positions vary most, and their variance there."""
    xp = array_namespace(positions.mean)
    spread = covariance(positions)
    if spread.ndim == 1:
        variance = spread * metric.whitener**2
        largest = xp.max(variance)
        first = xp.cumulative_sum(xp.astype(variance == largest, spread.dtype)) == 1
        return xp.astype(first & (variance == largest), spread.dtype), largest
    spread = metric.whitener @ spread @ xp.matrix_transpose(metric.whitener)
    values, vectors = eigen(spread)
    # Either sign is right; the same one everywhere keeps the libraries together.
    direction = vectors[:, -1]
    return xp.where(xp.sum(direction) < 0, -direction, direction), values[-1]


def _positive(spectrum: tuple[Array, Array]) -> tuple[Array, Array]:
    values, vectors = spectrum
    xp = array_namespace(values)
    smallest = xp.finfo(values.dtype).eps * xp.max(values)
    return xp.where(values > smallest, values, smallest), vectors


def _diagonal(xp: Any, matrix: Array) -> Array:
    return matrix if matrix.ndim == 1 else xp.linalg.diagonal(matrix)


def _restrict(xp: Any, matrix: Array, structure: Array | None) -> Array:
    if structure is None:
        return matrix
    free = xp.asarray(structure, device=device(matrix))
    return xp.where(free, matrix, xp.zeros_like(matrix))
