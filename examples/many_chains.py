"""
Many short chains
=================

Hundreds of chains of a few draws each, of which none is kept: ``fhl_ppl.stream`` has the mean of
every site with its error, R-hat, and where each chain ended. Chains so short look bad to the usual
R-hat, which compares them one by one. The nested one compares superchains, each begun in one place:
it says that they have forgotten where, and that is enough.
"""

import sys

import matplotlib.pyplot as plt
import pyro
import pyro.distributions as dist
import torch

import fhl_ppl
from fhl_ppl.pyro import FHL, MCMC

smoke = "--smoke" in sys.argv
chains, warmup = (64, 20) if smoke else (512, 100)
lengths = [2, 4] if smoke else [2, 5, 10, 20]
x = torch.linspace(-1, 1, 40)
torch.manual_seed(0)
y = 1.0 + 2.0 * x + 0.5 * torch.randn(40)


def model(x, y):
    a = pyro.sample("a", dist.Normal(0.0, 5.0))
    b = pyro.sample("b", dist.Normal(0.0, 5.0))
    noise = pyro.sample("noise", dist.HalfNormal(2.0))
    with pyro.plate("rows", len(x)):
        pyro.sample("y", dist.Normal(a + b * x, noise), obs=y)


one_by_one, nested = [], []
for length in lengths:
    pyro.set_rng_seed(0)
    mcmc = MCMC(FHL(model), length, num_chains=chains, warmup_steps=warmup, disable_progbar=True)
    found = fhl_ppl.stream(mcmc, x, y, superchains=8)
    one_by_one.append(found.r_hat["b"])
    nested.append(found.r_hat_nested["b"])
print(found.table())

fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
left.plot(lengths, one_by_one, "o-", label="R-hat, chain by chain")
left.plot(lengths, nested, "o-", color="tab:orange", label="nested R-hat, 8 superchains")
left.axhline(1.01, color="black", linewidth=1)
left.set(xlabel="draws of each chain", title=f"{chains} short chains")
left.legend()
right.hist(found.last["b"], bins=40, color="tab:orange")
right.set(xlabel="b", yticks=[], title="the last draw of each chain")
plt.show()
