"""
A Gaussian process
==================

NumPyro's example of a Gaussian process, ``gp.py``, with one word swapped: hyperparameters of a
squared exponential kernel from 30 noisy points, and the function that they imply.
"""

import sys

import jax
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
draws = 20 if "--smoke" in sys.argv else 500

rng = np.random.default_rng(0)
X = np.linspace(-1.0, 1.0, 30)
Y = X + 0.2 * X**3 + 0.5 * (0.5 + X) ** 2 * np.sin(4.0 * X) + 0.15 * rng.normal(size=30)
Y -= Y.mean()


def kernel(X, Z, variance, length, noise):
    k = variance * jnp.exp(-0.5 * ((X[:, None] - Z) / length) ** 2)
    return k + (noise + 1e-6) * jnp.eye(len(X)) if X is Z else k


def model(X, Y):
    variance = numpyro.sample("kernel_var", dist.LogNormal(0.0, 1.0))
    noise = numpyro.sample("kernel_noise", dist.LogNormal(-2.0, 1.0))
    length = numpyro.sample("kernel_length", dist.LogNormal(0.0, 1.0))
    k = kernel(X, X, variance, length, noise)
    numpyro.sample("Y", dist.MultivariateNormal(jnp.zeros(len(X)), k), obs=Y)


mcmc = MCMC(
    FHL(model),
    num_warmup=draws,
    num_samples=draws,
    num_chains=8,
    chain_method="vectorized",
    progress_bar=False,
)
mcmc.run(random.key(0), X, Y)
fhl_ppl.summary(mcmc)

# %%
# The mean function for some of the draws, on a finer grid.
finer = np.linspace(-1.3, 1.3, 100)


def mean_function(variance, length, noise):
    k = kernel(X, X, variance, length, noise)
    return kernel(finer, X, variance, length, 0.0) @ jnp.linalg.solve(k, Y)


sites = {name: value[:: max(1, len(value) // 200)] for name, value in mcmc.get_samples().items()}
functions = jax.vmap(mean_function)(
    sites["kernel_var"], sites["kernel_length"], sites["kernel_noise"]
)
fig, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
ax.plot(finer, functions.T, color="tab:orange", alpha=0.05)
ax.plot(finer, functions.mean(axis=0), color="tab:orange", label="mean function, by draw")
ax.plot(X, Y, "k.", label="data")
ax.set(xlabel="x", ylabel="y", title="Functions that 30 points allow")
ax.legend()
plt.show()
