"""
Two modes and their evidence
============================

The data tell the size of ``x`` and not its sign, and the prior leans to one side: two modes, of a
mass that quadrature knows. The same model goes to NumPyro's NUTS and, with one word swapped, to
FHL. NUTS's chains stay where they began, so their share of draws in a mode is that of the starts.
FHL's cross, and the evidence that is made of their draws agrees with quadrature.
"""

import sys

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import random
from numpyro.infer import MCMC, NUTS, init_to_uniform

import fhl_ppl
from fhl_ppl.numpyro import FHL

numpyro.enable_x64()
draws = 20 if "--smoke" in sys.argv else 500
SIZE, ERROR = 3.0, 0.5


def model(size):
    x = numpyro.sample("x", dist.Normal(1.0, 3.0))
    numpyro.sample("size", dist.Normal(jnp.abs(x), ERROR), obs=size)


runs = {}
for kernel in (NUTS, FHL):
    runs[kernel.__name__] = MCMC(
        kernel(model, init_strategy=init_to_uniform(radius=5)),
        num_warmup=draws,
        num_samples=draws,
        num_chains=8,
        chain_method="vectorized",
        progress_bar=False,
    )
    runs[kernel.__name__].run(random.key(1), SIZE)

# %%
# What quadrature says, what the draws say, and the evidence.
grid = np.linspace(-15, 15, 60_001)
log_prior = -0.5 * ((grid - 1) / 3) ** 2 - np.log(3 * np.sqrt(2 * np.pi))
log_likelihood = -0.5 * ((np.abs(grid) - SIZE) / ERROR) ** 2 - np.log(ERROR * np.sqrt(2 * np.pi))
mass = np.exp(log_prior + log_likelihood) * (grid[1] - grid[0])
exact = mass[grid > 0].sum() / mass.sum()
print(f"positive: exact {exact:.3f}")
for name, mcmc in runs.items():
    print(f"{name:>4}: {float(np.mean(mcmc.get_samples()['x'] > 0)):.3f}")
print(fhl_ppl.modes(runs["FHL"]).round(3).to_string())
found = fhl_ppl.log_evidence(runs["FHL"])
print(f"log Z: exact {np.log(mass.sum()):.4f}, found {found.value:.4f} +- {found.error:.4f}")

# %%
# Every chain has a colour, and a bar at the right for its share of positive draws.
fig, axes = plt.subplots(
    2, 2, figsize=(8.5, 4.4), sharex="col", width_ratios=[3, 1], layout="constrained"
)
for (trace, shares), (name, mcmc) in zip(axes, runs.items(), strict=True):
    x = np.asarray(mcmc.get_samples(group_by_chain=True)["x"])
    for chain, draws_of_it in enumerate(x[:, :200]):
        trace.plot(draws_of_it, ".", markersize=3, color=f"C{chain}")
        shares.barh(chain, np.mean(x[chain] > 0), color=f"C{chain}")
    trace.set(ylabel="x", ylim=(-5.5, 5.5))
    trace.set_title(
        f"{name}: {np.mean(x > 0):.0%} of the draws are positive ({exact:.0%} is right)"
    )
    shares.axvline(exact, color="black")
    shares.set(yticks=[], xlim=(0, 1.02))
axes[1, 0].set_xlabel("draw")
axes[1, 1].set_xlabel("positive, by chain")
axes[0, 1].set_title("line: exact")
plt.show()
