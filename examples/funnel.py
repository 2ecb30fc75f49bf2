"""
A funnel, and two ways out
==========================

Neal's funnel: one parameter is the logarithm of the others' variance. No step size suits both its
mouth and its neck. Left as it stands, the neck is hardly entered; with the coordinates that warm-up
finds, which is the default, and written not centred it is. The histogram that all should match is
known: N(0, 3²).
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro.infer.reparam import LocScaleReparam

import fhl_ppl
from fhl_ppl import plots
from fhl_ppl.pyro import FHL, MCMC

smoke = "--smoke" in sys.argv
draws = 20 if smoke else 1000
torch.set_default_dtype(torch.float64)


def funnel():
    log_variance = pyro.sample("log_variance", dist.Normal(0.0, 3.0))
    with pyro.plate("children", 9):
        pyro.sample("x", dist.Normal(0.0, torch.exp(log_variance / 2)))


straight = pyro.poutine.reparam(funnel, config={"x": LocScaleReparam(centered=0.0)})
runs = {}
kernels = {
    "charts=False": FHL(funnel, charts=False),
    "the default": FHL(funnel),
    "not centred": FHL(straight),
}
for name, kernel in kernels.items():
    pyro.set_rng_seed(0)
    runs[name] = MCMC(
        kernel, num_samples=draws, warmup_steps=draws, num_chains=16, disable_progbar=True
    )
    runs[name].run()
    print(name)
    fhl_ppl.summary(runs[name], var_names=["log_variance"])

# %%
# :doc:`/how-to/funnel` says which to take when.
fig, axes = plt.subplots(1, 3, figsize=(9, 3), sharey=True, layout="constrained")
grid = np.linspace(-10, 10, 200)
exact = np.exp(-(grid**2) / 18) / np.sqrt(18 * np.pi)
for ax, (name, mcmc) in zip(axes, runs.items(), strict=True):
    drawn = mcmc.get_samples()["log_variance"].numpy()
    ax.hist(drawn, np.linspace(-10, 10, 61), density=True, color="tab:orange", alpha=0.7)
    ax.plot(grid, exact, color="black", label="exact")
    ax.set(xlabel="log variance", title=name)
axes[0].legend()
plt.show()

# %%
# What the default found: ``log_variance`` sets the widths of all others, and in coordinates that
# allow for it there is no funnel left. So short a warm-up as that of ``--smoke`` finds nothing.
if not smoke:
    plots.chart(runs["the default"])
    plt.show()
