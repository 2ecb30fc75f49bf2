"""A low-rank metric from what the particles have seen, in O(dim) memory and time (section 7).

The scales S come from variances, as those of a diagonal metric. The directions V come from a few
positions and gradients, `Sample.rows`:

- `from_scores`, for *correct* gradients. Standardised by the scales, a position x and the gradient
  g there are the same but for a constant, if the scales are all that there is to the posterior; in
  a Gaussian with covariance A they differ by (A - I) g. So the principal components of x - g are
  the directions in which A is not I, and in them M^-1 is the geometric mean of the covariance of x
  and the inverse covariance of g, as in `metric.from_scores` (Seyboldt, Carlson and Carpenter 2026,
  arXiv:2603.18845). That paper takes the span of all x and g instead, in which the mean is not
  settled by fewer draws than dimensions: of 64 draws in 600 dimensions spikes of variance 900 came
  out as 60 to 125, here as 887 to 894.
- `from_positions`, for gradients that may be wrong: the principal components of x, as far as they
  stand out from what independent coordinates would show from as many draws.

The variances behind S are those of *straightened* positions and gradients, from which the
directions found so far are taken out: a few wide directions shine through in all coordinates, and
scales that take in their share leave what is not of low rank. It settles in some four windows.
"""

from math import log, sqrt
from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace, eye, numbered
from fhl_ppl.core.metrics import dense_fit as metric
from fhl_ppl.core.metrics.low_rank import LowRankMetric
from fhl_ppl.core.moments import welford
from fhl_ppl.core.moments.welford import Welford

Array = Any

RANK = 16
"""Most directions that a metric has; the more, the dearer a step."""
ROWS = 64
"""Positions kept to find the directions in."""
ROWS_A_DIRECTION = 4
"""Rows that have to be there for each direction: from fewer their variances are mostly noise."""
CUTOFF = 2.0
"""Directions whose variance is within this factor of 1 are not worth having, as in nutpie."""


class Sample(NamedTuple):
    """Moments of the coordinates, and some of the vectors themselves.

    Attributes
    ----------
    count, mean, scatter
        As those of a diagonal `Welford`.
    straight
        The moments of the straightened vectors.
    rows
        Vectors spread over the window, shape [slot, particle, dim].
    """

    count: Array
    mean: Array
    scatter: Array
    straight: Welford
    rows: Array


def empty(batch: Array) -> Sample:
    """Nothing seen yet; where the particles are, `batch` [particle, dim], fills the rows."""
    xp = array_namespace(batch)
    nothing = welford.empty(batch, dense=False)
    kept = batch[:ROWS, :]
    return Sample(*nothing, nothing, xp.stack([kept] * max(1, ROWS // batch.shape[0])))


def update(sample: Sample, batch: Array, straightened: Array) -> Sample:
    """Add all rows of `batch` [particle, dim] to the moments."""
    moments = welford.update(Welford(sample.count, sample.mean, sample.scatter), batch)
    return Sample(*moments, welford.update(sample.straight, straightened), sample.rows)


def keep(sample: Sample, batch: Array, slot: Array) -> Sample:
    """Put `batch` [particle, dim] into the rows, at number `slot`."""
    xp = array_namespace(batch)
    here = (numbered(sample.rows[:, 0, 0]) == slot)[:, None, None]
    return sample._replace(rows=xp.where(here, batch[: sample.rows.shape[1], :], sample.rows))


def from_scores(positions: Sample, gradients: Sample, draws: Array | None = None) -> LowRankMetric:
    """Scales from variances, directions from where positions and gradients differ.

    `draws` is not looked at.

    Safe with few draws: without directions that stand out it is the diagonal estimate. Not finite
    where that is not: if a coordinate has not moved at all.
    """
    xp = array_namespace(positions.mean)
    diagonal = metric.from_scores(positions.straight, gradients.straight)
    scale = xp.sqrt(diagonal.inverse_mass_matrix)
    # A coordinate that feels no force has nothing to say about directions.
    felt = gradients.scatter > 0
    seen = _centred(positions) / scale
    forces = xp.where(felt, _centred(gradients) * scale, seen)
    scale, seen, forces = _unless_all_finite(scale, seen, forces)

    _, basis = _principal(seen - forces)
    basis = xp.where(felt[:, None], basis, xp.zeros_like(basis))
    found = _affordable(positions, basis)
    spread, force = (_moments(rows @ basis, found) for rows in (seen, forces))
    mean = metric.from_scores(spread, force).inverse_mass_matrix
    mean = xp.where(xp.all(xp.isfinite(mean)), mean, eye(mean))
    variance, vectors = xp.linalg.eigh(mean)
    return _assemble(scale, basis @ vectors, variance, abs(xp.log(variance)) > log(CUTOFF))


def from_positions(
    positions: Sample, gradients: Sample, draws: Array | None = None
) -> LowRankMetric:
    """Scales and directions of the positions alone; nothing else is looked at.

    An eigenvalue of the sample's correlations is inflated by noise, and its direction is off. Both
    are corrected as is best for a few spikes among many equal ones (Donoho, Gavish and Johnstone
    2018, Frobenius loss); those that noise could have made are left out. Rows of a chain are not
    independent, so they count for a fifth of their number (`metric.SHRINKAGE`).
    """
    xp = array_namespace(positions.mean)
    diagonal = Welford(positions.count, positions.mean, positions.scatter)
    scale = xp.sqrt(metric.from_positions(diagonal, diagonal).inverse_mass_matrix)
    scale, rows = _unless_all_finite(scale, _centred(positions) / scale)

    size, basis = _principal(rows)
    number, dim = rows.shape
    noise = metric.SHRINKAGE * dim / number
    found = size**2 / (number - 1)
    largest_of_noise = (1 + sqrt(noise)) ** 2
    stands_out = (found > largest_of_noise) & _affordable(positions, basis)
    total = xp.clip(found, largest_of_noise, None) + 1 - noise
    true = (total + xp.sqrt(xp.clip(total**2 - 4 * (total - 1 + noise), 0.0, None))) / 2
    squared_cosine = (1 - noise / (true - 1) ** 2) / (1 + noise / (true - 1))
    variance = 1 + (true - 1) * xp.clip(squared_cosine, 0.0, None)
    return _assemble(scale, basis, variance, stands_out & (variance > CUTOFF))


def widest_direction(
    old: LowRankMetric, widest: Array, new: LowRankMetric, positions: Sample
) -> tuple[Array, Array]:
    """Where the positions vary most in the whitened space of `new`, and their variance there.

    Parameters
    ----------
    old, widest
        The metric they were seen under, and the widest direction in its whitened space, [dim].
    new, positions
        The metric in force from now on, and what was seen.

    Returns
    -------
    A unit vector [dim] and a scalar.
    """
    xp = array_namespace(widest)
    direction = new.whiten(old.velocity(old.draw_momentum(widest[None, :])))[0, :]
    direction = direction / xp.sqrt(xp.sum(direction**2))
    return direction, variance_along(positions, new.draw_momentum(direction[None, :])[0, :])


def variance_along(positions: Sample, direction: Array) -> Array:
    """Variance of direction' q for a `direction` [dim], a scalar."""
    along = _centred(positions) @ direction
    return array_namespace(along).sum(along**2) / (along.shape[0] - 1)


def _centred(sample: Sample) -> Array:
    """The rows less their mean, shape [row, dim]."""
    xp = array_namespace(sample.rows)
    rows = xp.reshape(sample.rows, (-1, sample.rows.shape[2]))
    return rows - xp.mean(rows, axis=0)


def _unless_all_finite(scale: Array, *rows: Array) -> tuple[Array, ...]:
    """Turn what is no number into zeros, and say so in the scale.

    NumPy and PyTorch raise where JAX returns NaN, so it has to pass round the linear algebra.
    """
    xp = array_namespace(scale)
    usable = xp.all(xp.isfinite(scale))
    for part in rows:
        usable = usable & xp.all(xp.isfinite(part))
    scale = xp.where(usable, scale, xp.full_like(scale, xp.nan))
    return scale, *(xp.where(usable, part, xp.zeros_like(part)) for part in rows)


def _principal(rows: Array) -> tuple[Array, Array]:
    """Largest singular values [rank] and their directions [dim, rank], orthonormal."""
    xp = array_namespace(rows)
    _, size, basis = xp.linalg.svd(rows, full_matrices=False)
    return size[:RANK], xp.matrix_transpose(basis)[:, :RANK]


def _affordable(sample: Sample, basis: Array) -> Array:
    """Which of the principal components there are enough rows for, boolean [rank]."""
    xp = array_namespace(basis)
    rows = xp.clip(sample.count, None, sample.rows.shape[0] * sample.rows.shape[1])
    return (1 + numbered(basis)) * ROWS_A_DIRECTION <= rows


def _moments(along: Array, found: Array) -> Welford:
    """Moments of the columns of `along` [row, rank], as if those not found varied by 1."""
    xp = array_namespace(along)
    along = xp.where(found, along, xp.zeros_like(along))
    missing = xp.where(found, 0 * along[0, :], 0 * along[0, :] + 1)
    count = xp.sum(0 * along[:, 0] + 1)
    scatter = xp.matrix_transpose(along) @ along
    return Welford(count, 0 * missing, scatter + (count - 1) * missing * eye(scatter))


def _assemble(scale: Array, directions: Array, variance: Array, in_use: Array) -> LowRankMetric:
    """Leave out what is not in use."""
    xp = array_namespace(scale)
    # Either sign is right; the same one everywhere keeps the libraries together.
    directions = xp.where(xp.sum(directions, axis=0) < 0, -directions, directions)
    return LowRankMetric(
        scale,
        xp.where(in_use, directions, xp.zeros_like(directions)),
        xp.where(in_use, variance, xp.ones_like(variance)),
    )
