"""
Stochastic volatility
=====================

How nervous was the market on each day? NumPyro's example ``stochastic_volatility.py`` with one word
swapped: the logarithm of the scale of a day's return walks at random, a little every day, and
returns have heavy tails about it. Here 120 days with a crisis are simulated, so the true volatility
is known.
"""

import sys

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import random
from numpyro.infer import MCMC

import fhl_ppl
from fhl_ppl.numpyro import FHL

numpyro.enable_x64()
draws = 20 if "--smoke" in sys.argv else 1000

rng = np.random.default_rng(1)
days = np.arange(120)
truth = np.exp(-4.8 + 1.6 * np.exp(-(((days - 55) / 15) ** 2)))
returns = truth * rng.standard_t(10.0, size=120)


def model(returns):
    sigma = numpyro.sample("sigma", dist.Exponential(10.0))
    s = numpyro.sample("s", dist.GaussianRandomWalk(scale=sigma, num_steps=len(returns)))
    nu = numpyro.sample("nu", dist.Exponential(0.1))
    start = numpyro.sample("start", dist.Normal(-5.0, 2.0))
    numpyro.sample("r", dist.StudentT(nu, 0.0, jnp.exp(start + s)), obs=returns)


# %%
# With the default, 0.9, one of 8000 draws diverges. The summary says so, and what to do: raise it.
mcmc = MCMC(
    FHL(model, target_accept_prob=0.98),
    num_warmup=draws,
    num_samples=draws,
    num_chains=8,
    chain_method="vectorized",
    progress_bar=False,
)
mcmc.run(random.key(0), returns)
fhl_ppl.summary(mcmc, var_names=["sigma", "nu", "start"])

# %%
# ``sigma`` sets how far all days may be from one another: a funnel of 120 dimensions, for which
# warm-up found coordinates. They are named in what goes to ArviZ.
print("chart:", fhl_ppl.to_arviz(mcmc).posterior.attrs["chart"][:40], "...")

sites = {name: np.asarray(value) for name, value in mcmc.get_samples().items()}
volatility = np.exp(sites["start"][:, None] + sites["s"])
low, high = np.quantile(volatility, [0.05, 0.95], axis=0)
fig, (series, plane) = plt.subplots(
    1, 2, figsize=(9, 3.2), width_ratios=[5, 2], layout="constrained"
)
series.vlines(days, 0, returns, color="0.6", linewidth=1.5, label="return")
series.fill_between(days, low, high, color="tab:orange", alpha=0.35, label="90% interval")
series.plot(np.median(volatility, axis=0), color="tab:orange", label="median volatility")
series.plot(truth, color="black", linewidth=1, label="true")
series.set(xlabel="day", title="Returns, and how nervous each day was")
series.legend(loc="upper left", fontsize="small")
change = sites["s"][:, 60] - sites["s"][:, 59]
plane.semilogy(change, sites["sigma"], ".", color="tab:orange", markersize=1)
plane.set(xlabel="change from day 60 to 61", ylabel="sigma", title="The funnel")
plt.show()
