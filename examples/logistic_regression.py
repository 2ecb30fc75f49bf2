"""
Logistic regression
===================

Pyro's logistic regression with one word swapped: ``FHL`` for ``NUTS``. Simulated data of 500 rows,
so the coefficients are known. In Pyro all chains share one batched gradient; that is why
``MCMC`` comes from ``fhl_ppl.pyro`` as well, and why 16 chains cost little more than one.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pyro
import pyro.distributions as dist
import torch

import fhl_ppl
from fhl_ppl.pyro import FHL, MCMC

draws = 20 if "--smoke" in sys.argv else 500
pyro.set_rng_seed(1)

true_coefs = torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0])
data = torch.randn(500, 5)
labels = dist.Bernoulli(logits=data @ true_coefs).sample()


def model(data):
    coefs = pyro.sample("beta", dist.Normal(torch.zeros(5), 10.0).to_event(1))
    with pyro.plate("rows", len(data)):
        pyro.sample("y", dist.Bernoulli(logits=data @ coefs), obs=labels)


mcmc = MCMC(FHL(model), num_samples=draws, warmup_steps=draws, num_chains=16, disable_progbar=True)
mcmc.run(data)

# %%
# The table has ArviZ's columns, and two that take a group of chains for the unit. No warning is
# good news.
fhl_ppl.summary(mcmc)

beta = mcmc.get_samples()["beta"].numpy()
low, high = np.quantile(beta, [0.05, 0.95], axis=0)
rows = np.arange(5)
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.hlines(rows, low, high, color="tab:orange", linewidth=3)
ax.plot(beta.mean(axis=0), rows, "o", color="tab:orange", label="mean and 90% interval")
ax.plot(true_coefs, rows, "kx", markersize=8, label="true")
ax.set(xlabel="coefficient", yticks=rows, title="What 500 rows tell")
ax.invert_yaxis()
ax.legend(loc="lower left")
plt.show()
