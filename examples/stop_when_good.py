"""
Stop when it is good, save, resume
==================================

``fhl_ppl.run`` draws in blocks until the draws are worth what was asked for. With a store they are
on disk after every block, and the same call goes on from there after whatever ended the process;
here the first call is given too few draws, and the second goes on.
"""

import sys
import tempfile

import matplotlib.pyplot as plt
import pyro
import pyro.distributions as dist
import torch

import fhl_ppl
from fhl_ppl.pyro import FHL, MCMC

wanted = 20 if "--smoke" in sys.argv else 4000
x = torch.linspace(-1, 1, 40)
torch.manual_seed(0)
y = 1.0 + 2.0 * x + 0.5 * torch.randn(40)


def model(x, y):
    a = pyro.sample("a", dist.Normal(0.0, 5.0))
    b = pyro.sample("b", dist.Normal(0.0, 5.0))
    noise = pyro.sample("noise", dist.HalfNormal(2.0))
    with pyro.plate("rows", len(x)):
        pyro.sample("y", dist.Normal(a + b * x, noise), obs=y)


def mcmc():
    """As if in a process of its own."""
    pyro.set_rng_seed(0)
    return MCMC(FHL(model), num_samples=2000, warmup_steps=200, num_chains=8, disable_progbar=True)


history = {}


def note(status):
    """Called after every block; the draws are looked at after some of them."""
    if status.quality is not None:
        history.setdefault(status.quality.ess, status.gradients)


with tempfile.TemporaryDirectory() as folder:
    store = f"{folder}/line.zarr"
    until = fhl_ppl.Until(ess=wanted, draws=100)
    status = fhl_ppl.run(mcmc(), x, y, until=until, store=store, callback=note)
    print(f"stopped by {status.stopped!r} after {status.draws} draws of each chain")
    until = fhl_ppl.Until(ess=wanted, r_hat=1.01, draws=2000)
    status = fhl_ppl.run(mcmc(), x, y, until=until, store=store, callback=note)
    print(f"stopped by {status.stopped!r} after {status.draws} draws, {status.gradients} gradients")
    fhl_ppl.summary(fhl_ppl.open_store(store))

fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot(history.values(), history.keys(), "o-", color="tab:orange")
ax.axhline(wanted, color="black", linewidth=1, label="wanted")
ax.set(xlabel="gradients of all chains", ylabel="ESS, the worst scalar", title="Until it is good")
ax.legend()
plt.show()
