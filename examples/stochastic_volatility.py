"""
Stochastic volatility
=====================

NumPyro's example with one word swapped: returns whose volatility walks at random, on 250 simulated
days. There are 252 parameters, strongly dependent from day to day; metric, step size and lengths
are learnt from all chains together.
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

draws = 20 if "--smoke" in sys.argv else 1000
rng = np.random.default_rng(0)
true_volatility = np.exp(np.cumsum(0.12 * rng.normal(size=250)))  # in percent
returns = true_volatility * rng.standard_t(10.0, size=250)


def model(returns):
    step_size = numpyro.sample("sigma", dist.Exponential(20.0))
    s = numpyro.sample("s", dist.GaussianRandomWalk(scale=step_size, num_steps=len(returns)))
    nu = numpyro.sample("nu", dist.Exponential(0.1))
    numpyro.sample("r", dist.StudentT(df=nu, loc=0.0, scale=jnp.exp(s)), obs=returns)


mcmc = MCMC(
    FHL(model),
    num_warmup=draws,
    num_samples=draws,
    num_chains=8,
    chain_method="vectorized",
    progress_bar=False,
)
mcmc.run(random.key(0), returns)
fhl_ppl.summary(mcmc, var_names=["sigma", "nu"])

volatility = np.exp(np.asarray(mcmc.get_samples()["s"]))
low, high = np.quantile(volatility, [0.05, 0.95], axis=0)
fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
ax.plot(np.abs(returns), ".", color="0.7", markersize=3, label="size of the return")
ax.fill_between(range(250), low, high, color="tab:orange", alpha=0.4, label="90% interval")
ax.plot(np.median(volatility, axis=0), color="tab:orange", label="median")
ax.plot(true_volatility, color="black", linewidth=1, label="true volatility")
ax.set(xlabel="day", ylim=(0, 4 * true_volatility.max()), title="Volatility, found again")
ax.legend(ncols=2, fontsize="small")
plt.show()
