"""Distributions with exact draws and known moments, energies and gradients in plain array code.

The code runs on the arrays of any library, so that every test folder can use it.
"""

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from scipy.special import digamma, polygamma

Array = Any


class Target:
    """What the tests ask of a distribution.

    `mean` [dim], `covariance` [dim, dim], `third_moment` [dim] (the third central moments of the
    coordinates) and `mean_energy` (E[U]) are exact and in NumPy.
    """

    mean: np.ndarray
    covariance: np.ndarray
    third_moment: np.ndarray
    mean_energy: float

    @property
    def dim(self) -> int:
        return len(self.mean)

    def sample(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Independent exact draws, shape [size, dim]."""
        raise NotImplementedError

    def potential_and_gradient(self, position: Array) -> tuple[Array, Array]:
        """U and dU/dq: [particle, dim] to [particle] and [particle, dim]."""
        raise NotImplementedError


class Gaussian(Target):
    def __init__(self, mean, covariance):
        self.mean = np.asarray(mean, dtype=float)
        self.covariance = np.asarray(covariance, dtype=float)
        self.third_moment = np.zeros_like(self.mean)
        self.mean_energy = len(self.mean) / 2
        self.precision = np.linalg.inv(self.covariance)

    def sample(self, rng, size):
        noise = rng.standard_normal((size, self.dim))
        return self.mean + noise @ np.linalg.cholesky(self.covariance).T

    def potential_and_gradient(self, position):
        centred = position - _like(position, self.mean)
        gradient = centred @ _like(position, self.precision)
        return array_namespace(position).sum(centred * gradient, axis=-1) / 2, gradient


class LogGamma(Target):
    """q = A x, the x_k independent logarithms of Gamma(shape_k) variables: skewed to the left."""

    def __init__(self, shape, mixing):
        self.shape = np.asarray(shape, dtype=float)
        self.mixing = np.asarray(mixing, dtype=float)
        self.unmixing = np.linalg.inv(self.mixing)
        self.mean = self.mixing @ digamma(self.shape)
        self.covariance = self.mixing * polygamma(1, self.shape) @ self.mixing.T
        self.third_moment = self.mixing**3 @ polygamma(2, self.shape)
        self.mean_energy = float(np.sum(self.shape * (1 - digamma(self.shape))))

    def sample(self, rng, size):
        return np.log(rng.gamma(self.shape, size=(size, self.dim))) @ self.mixing.T

    def potential_and_gradient(self, position):
        xp = array_namespace(position)
        shape, unmixing = _like(position, self.shape), _like(position, self.unmixing)
        x = position @ xp.matrix_transpose(unmixing)
        growth = xp.exp(x)
        return xp.sum(growth - shape * x, axis=-1), (growth - shape) @ unmixing


def correlated_gaussian() -> Gaussian:
    """Three dimensions with scales 0.6 to 1.5 and correlations up to 0.6."""
    scale = np.array([0.6, 1.0, 1.5])
    correlation = np.array([[1.0, 0.6, -0.3], [0.6, 1.0, 0.2], [-0.3, 0.2, 1.0]])
    return Gaussian([1.0, -0.5, 0.0], correlation * scale[:, None] * scale)


def skewed() -> LogGamma:
    """Three mixed log-gamma coordinates with skewness of about -1 to -0.5 before mixing."""
    return LogGamma([1.0, 2.0, 4.0], [[1.0, 0.3, 0.0], [-0.4, 1.2, 0.3], [0.0, 0.5, 1.5]])


TARGETS = {"gaussian": correlated_gaussian(), "skewed": skewed()}


def right_force(position: Array, gradient: Array) -> Array:
    return gradient


def zero_force(position: Array, gradient: Array) -> Array:
    return 0 * position


def reversed_force(position: Array, gradient: Array) -> Array:
    return -gradient


def foreign_force(position: Array, gradient: Array) -> Array:
    """The gradient of another target: shifted, of other scales, and turned (so with curl)."""
    matrix = np.eye(position.shape[1]) * 0.7
    matrix[0, 1], matrix[1, 0] = 0.5, -0.5
    return (position - 0.3) @ _like(position, matrix)


FORCES = {
    "right": right_force,
    "zero": zero_force,
    "reversed": reversed_force,
    "foreign": foreign_force,
}
"""What may stand in for the gradient: (q, dU/dq) -> g, all of shape [particle, dim]."""


def with_force(target: Target, force: Any) -> Any:
    """The target's true energy beside a force that may be wrong: q -> (U, g)."""

    def potential_and_gradient(position):
        potential_energy, gradient = target.potential_and_gradient(position)
        return potential_energy, force(position, gradient)

    return potential_and_gradient


def _like(position: Array, values: np.ndarray) -> Array:
    xp = array_namespace(position)
    return xp.asarray(values, dtype=position.dtype, device=device(position))
