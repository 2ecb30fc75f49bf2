"""Children that have a driver each: the pairs are found, and from few draws."""

import numpy as np
import torch

from fhl_ppl.core.charts import chart as charts
from fhl_ppl.core.charts import local_fit
from fhl_ppl.core.charts.rows import gaussian
from tests.core.charts.found import find


def products(rng, size, pairs=6):
    """Draws and gradients where z_j N(0, 1) is seen through a scale: 1 = z_j s_j + .5 noise.

    s_j = exp(lambda_j + tau), as in a horseshoe; z_j is what is left given the scales.
    """

    def conditional(lam, tau):
        s = torch.exp(lam + tau)
        return s / (s**2 + 0.25), (0.25 / (s**2 + 0.25)) ** 0.5

    tau, lam = (torch.as_tensor(rng.normal(size=(size, k))) for k in (1, pairs))
    mean, sd = conditional(lam, tau)
    z = mean + sd * torch.as_tensor(rng.normal(size=(size, pairs)))
    x = torch.cat([lam, tau, z], dim=1).requires_grad_()
    mean, sd = conditional(x[:, :pairs], x[:, pairs : pairs + 1])
    energy = torch.sum(((x[:, pairs + 1 :] - mean) / sd) ** 2 / 2 + torch.log(sd))
    energy = energy + torch.sum(x[:, : pairs + 1] ** 2) / 2
    energy.backward()
    return x.detach().numpy(), x.grad.numpy()


def test_local_scales_are_found():
    rng = np.random.default_rng(11)
    chart, losses = find(*products(rng, 300))
    np.testing.assert_array_equal(chart.local.is_child, np.arange(13) > 6)
    np.testing.assert_array_equal(np.argmax(chart.local.own[7:], axis=1), np.arange(6))
    assert chart.local.common[6] == 1
    assert losses[-4] < 0.1 * losses[0]
    # Draws that it was not fitted to are standard normal in it.
    x, _ = products(rng, 2000)
    y = charts.to_coordinates(chart, x)
    np.testing.assert_allclose(np.std(y[:, 7:], axis=0), 1, atol=0.15)


def pairs_found(rows):
    """Of 6 pairs, lambda_j for z_j, how many are found in the mean of 20 samples."""
    found = []
    for seed in range(20):
        x, gradient = products(np.random.default_rng(seed), rows)
        seen, common = np.ones(rows), np.eye(13)[6]
        centre, unit = gaussian(x, gradient, seen)
        own = local_fit.own_drivers((x - centre) / unit, gradient * unit, seen, common)
        found.append(np.trace(own[7:]))
    return np.mean(found)


def test_pairs_as_far_apart_as_others_are_found_from_few_draws(monkeypatch):
    assert pairs_found(100) > 5
    # Each by itself.
    monkeypatch.setattr(local_fit.shift, "shared", np.zeros_like)
    assert pairs_found(100) < 3
