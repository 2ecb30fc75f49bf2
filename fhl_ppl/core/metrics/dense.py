"""A mass matrix that is diagonal or full, in the three forms that an iteration needs."""

from typing import Any, NamedTuple

from fhl_ppl.core.arrays import array_namespace

Array = Any


class Metric(NamedTuple):
    """The mass matrix in the three forms that an iteration needs, so that none is solved for in it.

    Attributes
    ----------
    inverse_mass_matrix
        M^-1, in the units of the posterior covariance, shape [dim] (diagonal) or [dim, dim].
    mass_matrix
        M, same shape.
    whitener
        Any W with W' W = M, same shape; x = W q has unit covariance where M^-1 is that of q.
        Symmetric but for scales, so that the momentum drawn from given noise is the same whatever
        signs eigenvectors come with.
    """

    inverse_mass_matrix: Array
    mass_matrix: Array
    whitener: Array

    def whiten(self, displacement: Array) -> Array:
        """W q, shape [particle, dim]."""
        if self.whitener.ndim == 1:
            return displacement * self.whitener
        return displacement @ array_namespace(displacement).matrix_transpose(self.whitener)

    def draw_momentum(self, noise: Array) -> Array:
        """W' xi, shape [particle, dim]."""
        return _apply(self.whitener, noise)

    def velocity(self, momentum: Array) -> Array:
        """M^-1 p, shape [particle, dim]."""
        return _apply(self.inverse_mass_matrix, momentum)

    def weigh(self, displacement: Array) -> Array:
        """M q, shape [particle, dim]."""
        return _apply(self.mass_matrix, displacement)


def make_metric(inverse_mass_matrix: Array) -> Metric:
    """Build a metric from M^-1, shape [dim] or [dim, dim] (symmetric, positive definite).

    Of what is not positive definite it is not finite.
    """
    xp = array_namespace(inverse_mass_matrix)
    if inverse_mass_matrix.ndim == 1:
        return Metric(inverse_mass_matrix, 1 / inverse_mass_matrix, inverse_mass_matrix**-0.5)
    # Eigenvalues are good to within rounding of the largest: not so if scales differ by millions.
    scale = xp.sqrt(xp.linalg.diagonal(inverse_mass_matrix))
    spectrum = eigen(inverse_mass_matrix / scale[:, None] / scale)
    whitener = power(spectrum, -0.5) / scale
    return Metric(inverse_mass_matrix, xp.matrix_transpose(whitener) @ whitener, whitener)


def eigen(symmetric: Array) -> tuple[Array, Array]:
    """Eigenvalues [dim], ascending, and eigenvectors [dim, dim]; NaN if it is not finite."""
    xp = array_namespace(symmetric)
    values, vectors = xp.linalg.eigh(_finite(symmetric))
    return xp.where(xp.all(xp.isfinite(symmetric)), values, xp.full_like(values, xp.nan)), vectors


def eigen_of_root(factor: Array) -> tuple[Array, Array]:
    """`eigen` of (F F')^1/2 from F [dim, dim], the eigenvalues descending.

    By the singular values of F: in single precision F F' would have lost the small ones.
    """
    xp = array_namespace(factor)
    vectors, values, _ = xp.linalg.svd(_finite(factor))
    return xp.where(xp.all(xp.isfinite(factor)), values, xp.full_like(values, xp.nan)), vectors


def _finite(matrix: Array) -> Array:
    """NumPy and PyTorch raise where JAX returns NaN, so what is no number passes round."""
    xp = array_namespace(matrix)
    return xp.where(xp.isfinite(matrix), matrix, xp.zeros_like(matrix))


def power(spectrum: tuple[Array, Array], exponent: float) -> Array:
    """The symmetric matrix, raised to `exponent`, that `eigen` has taken apart."""
    values, vectors = spectrum
    return (vectors * values**exponent) @ array_namespace(values).matrix_transpose(vectors)


def _apply(matrix: Array, vectors: Array) -> Array:
    return vectors * matrix if matrix.ndim == 1 else vectors @ matrix
