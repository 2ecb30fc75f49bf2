"""
Radon in houses: partial pooling
================================

The hierarchical regression that every library has: the logarithm of radon in a house by its county,
and by whether it was measured in the basement. Simulated after Gelman and Hill's data from
Minnesota, with 40 counties of 1 to 20 houses. A county with few houses is drawn to the mean of all.
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
pyro.set_rng_seed(0)

houses = torch.randint(1, 21, (40,))
county = torch.repeat_interleave(torch.arange(40), houses)
floor = (torch.rand(len(county)) < 0.2).float()
true_level = 1.4 + 0.35 * torch.randn(40)
log_radon = true_level[county] - 0.7 * floor + 0.75 * torch.randn(len(county))


def model(county, floor, log_radon):
    mean = pyro.sample("mean", dist.Normal(0.0, 5.0))
    spread = pyro.sample("spread", dist.HalfCauchy(1.0))
    slope = pyro.sample("slope", dist.Normal(0.0, 5.0))
    noise = pyro.sample("noise", dist.HalfCauchy(1.0))
    with pyro.plate("counties", 40):
        offset = pyro.sample("offset", dist.Normal(0.0, 1.0))
    level = pyro.deterministic("level", mean + spread * offset)
    with pyro.plate("houses", len(county)):
        expected = level[county] + slope * floor
        pyro.sample("log_radon", dist.Normal(expected, noise), obs=log_radon)


mcmc = MCMC(FHL(model), num_samples=draws, warmup_steps=draws, num_chains=16, disable_progbar=True)
mcmc.run(county, floor, log_radon)
fhl_ppl.summary(mcmc, var_names=["mean", "spread", "slope", "noise"])

# %%
# Means of counties alone, and what the hierarchy makes of them.
sites = {name: value.numpy() for name, value in mcmc.get_samples().items()}
level = sites["mean"][:, None] + sites["spread"][:, None] * sites["offset"]
adjusted = log_radon - float(sites["slope"].mean()) * floor
alone = np.array([adjusted[county == each].mean() for each in range(40)])
fig, ax = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
order = np.arange(40)[np.argsort(houses.numpy(), kind="stable")]
low, high = np.quantile(level, [0.05, 0.95], axis=0)
ax.vlines(np.arange(40), low[order], high[order], color="tab:orange", alpha=0.6)
ax.plot(level.mean(axis=0)[order], "o", color="tab:orange", label="hierarchy, 90% interval")
ax.plot(alone[order], "x", color="0.4", label="county alone")
ax.axhline(sites["mean"].mean(), color="0.8", zorder=0)
ax.set(xlabel="counties, from 1 house to 20", ylabel="log radon", title="Few houses, much pooling")
ax.legend()
plt.show()
