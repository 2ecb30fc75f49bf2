"""
A mixture and its labels
========================

A mixture of two Gaussians has two modes that are copies: nothing tells component 1 from 2. Chains
that stay in one of them look as if they agreed on nothing; FHL's jump from copy to copy, and
``fhl_ppl.mode_changes`` counts how often. The mean of a centre then lies between both, and tells
nothing. If the labels mean nothing, order them and be rid of it: give ``centre`` the distribution
``dist.TransformedDistribution(normal, dist.transforms.OrderedTransform())``, in either library.
"""

import sys

import matplotlib.pyplot as plt
import pyro
import pyro.distributions as dist
import torch

import fhl_ppl
from fhl_ppl.pyro import FHL, MCMC

draws = 20 if "--smoke" in sys.argv else 800
torch.set_default_dtype(torch.float64)
pyro.set_rng_seed(0)
first = torch.rand(80) < 0.5
data = torch.where(first, -2.0 + torch.randn(80), 2.0 + torch.randn(80))


def model(data):
    centre = pyro.sample("centre", dist.Normal(torch.zeros(2), 5.0).to_event(1))
    log_density = dist.Normal(centre, 1.0).log_prob(data[:, None])
    pyro.factor("data", torch.logsumexp(log_density, dim=1).sum())


mcmc = MCMC(FHL(model), num_samples=draws, warmup_steps=draws, num_chains=16, disable_progbar=True)
mcmc.run(data)
changes = fhl_ppl.mode_changes(mcmc, lambda posterior: posterior["centre"][..., 0] > 0)
print(f"changes of label, by chain: {changes['changes'].tolist()}")

# %%
# Both copies have half of the mass.
centre = mcmc.get_samples(group_by_chain=True)["centre"].numpy()
fig, (plane, trace) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
plane.plot(*centre[:, ::4].reshape(-1, 2).T, ".", color="tab:orange", markersize=2)
plane.set(xlabel="centre 1", ylabel="centre 2", title="Draws of 16 chains")
trace.plot(centre[0, :, 0], color="tab:orange", linewidth=0.8)
trace.set(xlabel="draw", ylabel="centre 1", title="One chain goes from label to label")
plt.show()
