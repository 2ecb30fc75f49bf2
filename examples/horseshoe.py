"""
A horseshoe: which of forty matter?
===================================

40 columns, 60 rows, and 4 columns that matter. NumPyro's horseshoe regression with one word
swapped: each weight is a standard normal times a scale of its own times one of all, both half
Cauchy, so that most are drawn to nought and a few are left as they are.
"""

import sys

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

rng = np.random.default_rng(9)
x = rng.normal(size=(60, 40))
truth = np.array([3.0, -2.0, 1.5, 1.0] + [0.0] * 36)
y = x @ truth + rng.normal(size=60)


def model(x, y):
    scale = numpyro.sample("tau", dist.HalfCauchy(0.1))
    noise = numpyro.sample("noise", dist.HalfNormal(2.0))
    with numpyro.plate("columns", 40):
        local = numpyro.sample("lambda", dist.HalfCauchy(1.0))
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
    weight = numpyro.deterministic("weight", scale * local * z)
    numpyro.sample("y", dist.Normal(x @ weight, noise), obs=y)


# %%
# With the default, 0.9, three of 8000 draws diverge. The summary says so, and what to do: raise it.
mcmc = MCMC(
    FHL(model, target_accept_prob=0.98),
    num_warmup=draws,
    num_samples=draws,
    num_chains=8,
    chain_method="vectorized",
    progress_bar=False,
)
mcmc.run(random.key(0), x, y)
fhl_ppl.summary(mcmc, var_names=["tau", "noise", "weight"])

# %%
# The data know the product of a weight's own scale and its standard normal, and not the two: long
# curved ridges. Warm-up found coordinates that make them straight, named in what goes to ArviZ.
print("chart:", fhl_ppl.to_arviz(mcmc).posterior.attrs["chart"][:60], "...")

sites = {name: np.asarray(value) for name, value in mcmc.get_samples().items()}
low, high = np.quantile(sites["weight"], [0.05, 0.95], axis=0)
columns = np.arange(40)
fig, (weights, plane) = plt.subplots(
    1, 2, figsize=(9, 3.2), width_ratios=[5, 3], layout="constrained"
)
weights.vlines(columns, low, high, color="tab:orange", linewidth=3, alpha=0.6)
weights.plot(sites["weight"].mean(axis=0), "o", color="tab:orange", label="mean, 90% interval")
weights.plot(truth, "kx", label="true")
weights.set(xlabel="column", ylabel="weight", title="Which of forty matter")
weights.legend()
for column, name in ((39, "column 39, which does not matter"), (0, "column 0, which does")):
    plane.semilogx(sites["lambda"][:, column], sites["z"][:, column], ".", ms=1.5, label=name)
plane.set(xlabel="the weight's own scale", ylabel="its standard normal", ylim=(-6, 5))
plane.legend(loc="lower left", fontsize="small", markerscale=6)
plt.show()
