"""
What warm-up does
=================

``fhl_ppl.plots`` shows a run from within: acceptance, step size and pull through warm-up, energies
with the leaders marked, who led whom, and where the gradients went. The model is a regression whose
columns have scales from 0.1 to 10, begun from far out.
"""

import sys

import matplotlib.pyplot as plt
import pyro
import pyro.distributions as dist
import torch

import fhl_ppl
from fhl_ppl import plots
from fhl_ppl.pyro import FHL, MCMC

draws = 40 if "--smoke" in sys.argv else 400
torch.set_default_dtype(torch.float64)
pyro.set_rng_seed(0)
x = torch.randn(100, 5) * torch.logspace(-1, 1, 5)
y = x @ torch.ones(5) + torch.randn(100)


def model(x, y):
    b = pyro.sample("b", dist.Normal(torch.zeros(5), 10.0).to_event(1))
    noise = pyro.sample("noise", dist.HalfNormal(2.0))
    with pyro.plate("rows", len(y)):
        pyro.sample("y", dist.Normal(x @ b, noise), obs=y)


mcmc = MCMC(
    FHL(model),
    num_samples=draws,
    warmup_steps=draws,
    num_chains=8,
    disable_progbar=True,
    keep_warmup=True,
)
mcmc.run(x, y)
data = fhl_ppl.to_arviz(mcmc)

# %%
# Energies come down within some tens of iterations.
plots.energies(data)
plt.show()

# %%
# Vertical lines are where windows end. The step size is found anew with every metric.
plots.warmup(data)
plt.show()

# %%
# Any of the four of a group leads about a quarter of the time.
plots.leaders(data)
plt.show()

# %%
plots.gradients(data)
plt.show()
