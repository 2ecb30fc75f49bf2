"""How good draws are, in the same terms for both backends."""

import arviz as az
import numpy as np


def ess(values, method):
    return az.ess(az.convert_to_dataset({"x": values}), method=method)["x"].values


def judge(draws, reference):
    """Compare draws [chain, draw, parameter] with a reference (mean, m2 and their mcse_*).

    `ess` is the lowest bulk ESS of any x and x^2, `z` the largest |z| of a mean of x and x^2,
    `rhat` the largest R-hat.
    """
    lowest = min(ess(draws, "bulk").min(), ess(draws**2, "bulk").min())
    z = []
    for values, mean, error in (
        (draws, reference["mean"], reference["mcse_mean"]),
        (draws**2, reference["m2"], reference["mcse_m2"]),
    ):
        own = values.var((0, 1)) / ess(values, "mean")
        z.append(np.abs((values.mean((0, 1)) - mean) / np.sqrt(own + error**2)))
    rhat = az.rhat(az.convert_to_dataset({"x": draws}))["x"].values
    return {"ess": lowest, "z": np.nanmax(z), "rhat": np.nanmax(rhat)}
