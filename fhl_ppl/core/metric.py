"""The mass matrix M: momentum p ~ N(0, M), velocity M^-1 p, and the whitened space it defines."""

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
    """

    inverse_mass_matrix: Array
    mass_matrix: Array
    whitener: Array


def make_metric(inverse_mass_matrix: Array) -> Metric:
    """Build a metric from M^-1, shape [dim] or [dim, dim] (symmetric, positive definite)."""
    xp = array_namespace(inverse_mass_matrix)
    if inverse_mass_matrix.ndim == 1:
        return Metric(inverse_mass_matrix, 1 / inverse_mass_matrix, inverse_mass_matrix**-0.5)
    whitener = xp.linalg.inv(xp.linalg.cholesky(inverse_mass_matrix))
    return Metric(inverse_mass_matrix, xp.matrix_transpose(whitener) @ whitener, whitener)


def whiten(metric: Metric, displacement: Array) -> Array:
    """x = W q, shape [particle, dim]."""
    if metric.whitener.ndim == 1:
        return displacement * metric.whitener
    return displacement @ array_namespace(displacement).matrix_transpose(metric.whitener)


def draw_momentum(metric: Metric, noise: Array) -> Array:
    """p = W' xi ~ N(0, M) from standard normal `noise` [particle, dim]."""
    return noise * metric.whitener if metric.whitener.ndim == 1 else noise @ metric.whitener


def velocity(metric: Metric, momentum: Array) -> Array:
    """M^-1 p, shape [particle, dim]."""
    return _apply(metric.inverse_mass_matrix, momentum)


def weigh(metric: Metric, displacement: Array) -> Array:
    """M q, shape [particle, dim]: makes a pull isotropic in the whitened space."""
    return _apply(metric.mass_matrix, displacement)


def kinetic_energy(metric: Metric, momentum: Array) -> Array:
    """K(p) = p' M^-1 p / 2, shape [particle]."""
    return array_namespace(momentum).vecdot(momentum, velocity(metric, momentum)) / 2


def _apply(symmetric: Array, vectors: Array) -> Array:
    return vectors * symmetric if symmetric.ndim == 1 else vectors @ symmetric
