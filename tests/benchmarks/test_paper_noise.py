"""The noise sweep: effective draws counted right; a noisy force leaves the target right."""

import numpy as np
import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
importorskip("numpyro")

from benchmarks.paper import noise
from benchmarks.paper.methods import METHODS, Setting


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_effective_share_of_autoregressions(rho):
    """Draws x_t = rho x_(t-1) + noise are worth (1 - rho) / (1 + rho) each."""
    rng, dim = np.random.default_rng(0), 2
    trace = rng.normal(size=(1000, 16, noise.COORDINATES + 1))
    for t in range(1, 1000):
        trace[t] = rho * trace[t - 1] + (1 - rho**2) ** 0.5 * trace[t]
    trace[..., -1] += dim / 2
    assert np.isclose(noise.effective_share(trace, dim), (1 - rho) / (1 + rho), rtol=0.15)


def worst_z(keep):
    """|z| of the mean of q^2 over 64 independent runs; 4.5 by chance once in 30000 times."""
    setting = Setting(0.35, 1, 0.0)
    (traces,) = noise.run_all(METHODS["HMC"], 10, 1, [setting], 1.0, list(range(64)), keep)
    means = (traces[..., :-1] ** 2).mean((1, 2, 3))
    return abs(means.mean() - 1) / (means.std(ddof=1) / len(means) ** 0.5)


@pytest.mark.parametrize("keep", [False, True])
def test_a_noisy_force_leaves_the_target_right(keep):
    assert worst_z(keep) < 4.5


def test_a_noisy_energy_is_seen(monkeypatch):
    exact = noise.noisy

    def evaluate_with_noise(blind, scale, key, calls):
        evaluate, keys = exact(blind, scale, key, calls), iter(jax.random.split(key, calls))

        def evaluate_all(position):
            energy, force = evaluate(position)
            return energy + scale * jax.random.normal(next(keys), energy.shape), force

        return evaluate_all

    monkeypatch.setattr(noise, "noisy", evaluate_with_noise)
    noise.chains.clear_cache()
    try:
        assert worst_z(keep=False) > 4.5
    finally:
        noise.chains.clear_cache()
