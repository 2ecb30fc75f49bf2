"""
A horseshoe regression
======================

Which of 20 columns matter? The horseshoe prior has a scale for each coefficient, with tails so
heavy that what matters is left alone and the rest is shrunk to nothing. Written not centred, as in
NumPyro's ``horseshoe_regression.py``; heavy tails and narrow places are hard on any sampler, and
``fhl_ppl.summary`` says if they were too hard.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pyro
import pyro.distributions as dist
import torch

import fhl_ppl
from fhl_ppl.pyro import FHL, MCMC

draws = 20 if "--smoke" in sys.argv else 1000
pyro.set_rng_seed(0)
torch.set_default_dtype(torch.float64)

true_beta = torch.zeros(20)
true_beta[[2, 7, 11]] = torch.tensor([3.0, -2.0, 1.0])
X = torch.randn(100, 20)
Y = X @ true_beta + torch.randn(100)


def model(X, Y):
    lambdas = pyro.sample("lambdas", dist.HalfCauchy(torch.ones(20)).to_event(1))
    tau = pyro.sample("tau", dist.HalfCauchy(1.0))
    raw = pyro.sample("raw", dist.Normal(torch.zeros(20), 1.0).to_event(1))
    noise = pyro.sample("noise", dist.HalfNormal(2.0))
    with pyro.plate("rows", len(Y)):
        pyro.sample("Y", dist.Normal(X @ (tau * lambdas * raw), noise), obs=Y)


mcmc = MCMC(FHL(model), num_samples=draws, warmup_steps=draws, num_chains=16, disable_progbar=True)
mcmc.run(X, Y)
fhl_ppl.summary(mcmc, var_names=["tau", "noise"])

sites = {name: value.numpy() for name, value in mcmc.get_samples().items()}
beta = sites["tau"][:, None] * sites["lambdas"] * sites["raw"]
low, high = np.quantile(beta, [0.05, 0.95], axis=0)
fig, ax = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
ax.vlines(range(20), low, high, color="tab:orange", linewidth=3, label="90% interval")
ax.plot(np.median(beta, axis=0), "o", color="tab:orange", label="median")
ax.plot(true_beta, "kx", label="true")
ax.set(xlabel="column", ylabel="coefficient", title="Three of twenty columns matter")
ax.legend()
plt.show()
