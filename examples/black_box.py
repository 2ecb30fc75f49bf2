"""
A simulator that is a black box
===============================

A queue: customers arrive at random, one clerk serves them, and what is known is how long each of 30
customers waited in sum, up to a measurement error. The simulator is plain NumPy with random numbers
that are fixed beforehand, and has corners, so that no gradient is of use. FHL goes by energies
alone: the gradient that it is given is zero.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import torch

import fhl_ppl
from fhl_ppl.pyro import FHL, MCMC

draws = 20 if "--smoke" in sys.argv else 400
rng = np.random.default_rng(0)
arrivals, services = rng.exponential(size=(2, 30))


def waits(gap, service):
    """Lindley's recursion: how long each customer waits, for arrays of settings [..., 1]."""
    wait = np.zeros(gap.shape[:-1])
    found = []
    for k in range(30):
        found.append(wait)
        left = wait + service[..., 0] * services[k] - gap[..., 0] * arrivals[k]
        wait = np.maximum(left, 0.0)
    return np.stack(found, axis=-1)


observed = waits(np.array([1.5]), np.array([1.2])) + 0.5 * rng.normal(size=30)


def potential_fn(sites):
    """Of the logarithms of the mean gap and the mean service, with standard normal priors."""
    logs = torch.stack([sites["log_gap"], sites["log_service"]], dim=-1)
    gap, service = np.exp(logs.numpy()).T
    misfit = waits(gap[:, None], service[:, None]) - observed
    return torch.as_tensor(
        0.5 * (misfit**2).sum(axis=-1) / 0.25 + 0.5 * (logs.numpy() ** 2).sum(-1)
    )


def one(sites):
    """`potential_fn` for a single particle."""
    return potential_fn({name: value[None] for name, value in sites.items()})[0]


def no_gradient(sites):
    return {name: torch.zeros_like(value) for name, value in sites.items()}


torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
start = {"log_gap": torch.randn(32), "log_service": torch.randn(32)}
kernel = FHL(potential_fn=one, gradient_fn=no_gradient)
mcmc = MCMC(
    kernel,
    num_samples=draws,
    warmup_steps=draws,
    num_chains=32,
    disable_progbar=True,
    initial_params=start,
)
mcmc.run()
fhl_ppl.summary(mcmc)
print(fhl_ppl.moves(mcmc)[["share", "acceptance_rate"]].round(3).to_string())

sites = {name: np.exp(value.numpy()) for name, value in mcmc.get_samples().items()}
fig, (plane, curve) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
plane.plot(sites["log_gap"], sites["log_service"], ".", color="tab:orange", markersize=1)
plane.plot(1.5, 1.2, "kx", markersize=10, label="true")
plane.set(xlabel="mean gap (minutes)", ylabel="mean service (minutes)", title="Posterior")
plane.legend()
some = np.random.default_rng(1).integers(len(sites["log_gap"]), size=200)
paths = waits(sites["log_gap"][some, None], sites["log_service"][some, None])
curve.plot(paths.T, color="tab:orange", alpha=0.05)
curve.plot(observed, "k.", label="observed")
curve.set(xlabel="customer", ylabel="wait (minutes)", title="Waits that fit")
curve.legend()
plt.show()
