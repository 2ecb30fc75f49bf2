"""
Minibatches, exactly
====================

The gradient comes from 500 of 50,000 rows, the energy in the Metropolis test from all: the
posterior is that of all data. ``minibatch=True`` is all that the kernel has to know; the plate
subsamples as for variational inference.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pyro
import pyro.distributions as dist
import torch

import fhl_ppl
from fhl_ppl.pyro import FHL, MCMC

draws, rows, batch = (20, 2_000, 100) if "--smoke" in sys.argv else (200, 50_000, 500)
pyro.set_rng_seed(0)
torch.set_default_dtype(torch.float64)
true_b = torch.tensor([0.5, -1.0, 0.25, 0.0])
x = torch.randn(rows, 4)
y = dist.Bernoulli(logits=x @ true_b).sample()


def model(x, y):
    b = pyro.sample("b", dist.Normal(torch.zeros(4), 2.5).to_event(1))
    with pyro.plate("rows", len(y), subsample_size=batch) as index:
        pyro.sample("y", dist.Bernoulli(logits=x[index] @ b), obs=y[index])


mcmc = MCMC(
    FHL(model, minibatch=True),
    num_samples=draws,
    warmup_steps=draws,
    num_chains=8,
    disable_progbar=True,
)
mcmc.run(x, y)
fhl_ppl.summary(mcmc)

# %%
# With so many rows the posterior is nearly a Gaussian about the maximum, with a known spread.
mode = torch.zeros(4)
for _ in range(15):
    p = torch.sigmoid(x @ mode)
    information = x.T @ (x * (p * (1 - p))[:, None]) + torch.eye(4) / 2.5**2
    mode = mode + torch.linalg.solve(information, x.T @ (y - p) - mode / 2.5**2)
sd = torch.linalg.inv(information).diagonal().sqrt()
b = mcmc.get_samples()["b"]
standard = ((b - mode) / sd).numpy()
grid = np.linspace(-4, 4, 100)
fig, axes = plt.subplots(1, 4, figsize=(9, 2.4), sharey=True, layout="constrained")
for k, ax in enumerate(axes):
    ax.hist(standard[:, k], 40, density=True, color="tab:orange", alpha=0.7)
    ax.plot(grid, np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), color="black")
    ax.set(title=f"b[{k}]", xlabel="(b - mode) / sd")
plt.show()
