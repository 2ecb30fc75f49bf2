"""
A surrogate for the gradient
============================

The energy has to be exact, the gradient need not be. Here the true model is a dear sum over 20,000
rows, and the gradient comes from a Gaussian approximation of it that was fitted beforehand. The
Metropolis test goes by the true energy, so the posterior is the true one; the surrogate only
decides how fast it is reached.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pyro
import torch

import fhl_ppl
from fhl_ppl.pyro import FHL, MCMC

draws = 20 if "--smoke" in sys.argv else 400
torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
x = torch.randn(20_000, 3)
y = (torch.rand(20_000) < torch.sigmoid(x @ torch.tensor([1.0, -0.5, 0.2]) - 4.0)).double()


def potential_fn(sites):
    """Minus the log density: logistic regression with a rare outcome, and a wide prior."""
    logits = x @ sites["b"] + sites["a"]
    log_likelihood = (y * logits - torch.nn.functional.softplus(logits)).sum()
    return (sites["b"] ** 2).sum() / 50 + sites["a"] ** 2 / 50 - log_likelihood


# %%
# Newton's method finds the mode and the curvature there: the surrogate's gradient is linear.
def flat(z):
    return potential_fn({"a": z[0], "b": z[1:]})


mode = torch.zeros(4)
for _ in range(12):
    curvature = torch.autograd.functional.hessian(flat, mode)
    mode = mode - torch.linalg.solve(curvature, torch.autograd.functional.jacobian(flat, mode))


def gradient_fn(sites):
    force = curvature @ (torch.cat([sites["a"][None], sites["b"]]) - mode)
    return {"a": force[0], "b": force[1:]}


start = mode + 0.05 * torch.randn(16, 4)
pyro.set_rng_seed(0)
kernel = FHL(potential_fn=potential_fn, gradient_fn=gradient_fn)
mcmc = MCMC(
    kernel,
    num_samples=draws,
    warmup_steps=draws,
    num_chains=16,
    disable_progbar=True,
    initial_params={"a": start[:, 0], "b": start[:, 1:]},
)
mcmc.run()
fhl_ppl.summary(mcmc)

# %%
# The surrogate alone is the Gaussian; the draws know better.
a = mcmc.get_samples()["a"].numpy()
sd = float(torch.linalg.inv(curvature)[0, 0].sqrt())
grid = np.linspace(a.min(), a.max(), 200)
gaussian = np.exp(-0.5 * ((grid - float(mode[0])) / sd) ** 2) / sd / np.sqrt(2 * np.pi)
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.hist(a, 60, density=True, color="tab:orange", alpha=0.7, label="FHL, true energy")
ax.plot(grid, gaussian, color="black", label="surrogate alone")
ax.set(xlabel="intercept", title="Surrogate for the gradient, truth for the test")
ax.legend()
plt.show()
