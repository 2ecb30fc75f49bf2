"""What is measured of draws: how many they are worth, and how right they are."""

from typing import NamedTuple

import arviz as az
import numpy as np

LOW_ERROR = 0.01
"""Squared error of E[x^2] over the variance of x^2: that of 100 independent draws."""


def ess(values, method):
    """Effective sample size of draws [chain, draw, parameter]; 0 where nothing moves.

    ArviZ gives constant values the full number of draws, and any other trouble as NaN.
    """
    found = az.ess(az.convert_to_dataset({"x": values}), method=method)["x"].values
    moves = values.min((0, 1)) < values.max((0, 1))
    return np.where(moves & np.isfinite(found), found, 0.0)


def rhat(draws):
    found = az.rhat(az.convert_to_dataset({"x": draws}))["x"].values
    return np.where(np.isfinite(found), found, np.inf)


def moments(draws):
    """Figures of draws [chain, draw, parameter], as a reference has them."""
    figures = {"sd": draws.std((0, 1))}
    for mean, error, spread, values in (
        ("mean", "mcse_mean", "sd", draws),
        ("m2", "mcse_m2", "sd_m2", draws**2),
    ):
        figures[mean] = values.mean((0, 1))
        figures[spread] = values.std((0, 1))
        figures[error] = figures[spread] / np.sqrt(ess(values, "mean"))
    return figures


def judge(draws, reference):
    """Compare draws [chain, draw, parameter] with a reference (mean, m2 and their mcse_*).

    `ess` is the lowest bulk ESS of any x and x^2, `z` the largest |z| of a mean of x and x^2,
    `rhat` the largest R-hat. Draws that are not finite are worth nothing.
    """
    if not np.isfinite(draws).all():
        return {"ess": 0.0, "z": np.inf, "rhat": np.inf}
    lowest = min(ess(draws, "bulk").min(), ess(draws**2, "bulk").min())
    z = []
    for values, mean, error in (
        (draws, reference.mean, reference.mcse_mean),
        (draws**2, reference.m2, reference.mcse_m2),
    ):
        # Values that do not move have no error of their own to hide behind.
        own = values.var((0, 1)) / np.maximum(ess(values, "mean"), 1)
        z.append(np.abs((values.mean((0, 1)) - mean) / np.sqrt(own + error**2)))
    return {"ess": lowest, "z": np.max(z), "rhat": rhat(draws).max()}


class ErrorTrace(NamedTuple):
    """Running sums of single chains, and the course of their error so far."""

    draws: int
    square: np.ndarray
    gradients: float
    course: tuple

    @classmethod
    def empty(cls):
        return cls(0, np.zeros(()), 0.0, ())

    def extend(self, draws, gradients, reference):
        """Add draws [chain, draw, parameter] that took gradients [chain, draw].

        The error is (mean of x^2 - E[x^2])^2 / Var[x^2] of the worst parameter of a chain, the
        median over the chains, as in arXiv:2503.01707, section 5; gradients are those of a chain.
        """
        number = self.draws + np.arange(1, draws.shape[1] + 1)
        squares = self.square + np.cumsum(draws**2, 1)
        error = ((squares / number[:, None] - reference.m2) / reference.sd_m2) ** 2
        middle = np.median(error.max(-1), 0)
        spent = self.gradients + np.cumsum(gradients.mean(0))
        course = (*self.course, *zip(spent.tolist(), middle.tolist(), strict=True))
        return ErrorTrace(int(number[-1]), squares[:, -1:], float(spent[-1]), course)

    def settled(self):
        """Gradients of a chain after which the error stays low; None if it does not."""
        spent, error = np.array(self.course).T
        (high,) = np.nonzero(~(error < LOW_ERROR))
        first = high[-1] + 1 if len(high) else 0
        return float(spent[first]) if first < len(spent) else None
