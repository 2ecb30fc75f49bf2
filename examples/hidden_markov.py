"""
A hidden Markov model, summed over its states
=============================================

Is the road calm or busy? Counts per minute come from one of two states that follow one another as a
Markov chain. States are discrete, and FHL moves what is continuous: the forward algorithm sums them
out, in ten lines. The posterior has two copies of one mode unless the states are told apart, here
by a positive difference of their rates.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pyro
import pyro.distributions as dist
import torch

import fhl_ppl
from fhl_ppl.pyro import FHL, MCMC

draws = 20 if "--smoke" in sys.argv else 400
rng = np.random.default_rng(0)

states = [0]
for _ in range(119):
    states.append(states[-1] if rng.random() < 0.92 else 1 - states[-1])
states = np.array(states)
counts = torch.tensor(rng.poisson(np.where(states, 9.0, 3.0)), dtype=torch.float)


def forward(log_emission, stay):
    """Log probability of all counts, [minute, state] and [state]."""
    move = torch.stack(
        [torch.stack([stay[0], 1 - stay[0]]), torch.stack([1 - stay[1], stay[1]])]
    ).log()
    log_alpha = log_emission[0] + np.log(0.5)
    for each in log_emission[1:]:
        log_alpha = torch.logsumexp(log_alpha[:, None] + move, dim=0) + each
    return torch.logsumexp(log_alpha, dim=0)


def model(counts):
    calm = pyro.sample("calm", dist.LogNormal(1.0, 1.0))
    more = pyro.sample("more", dist.LogNormal(1.0, 1.0))
    stay = pyro.sample("stay", dist.Beta(torch.tensor([9.0, 9.0]), 1.0).to_event(1))
    rate = torch.stack([calm, calm + more])
    pyro.factor("counts", forward(dist.Poisson(rate).log_prob(counts[:, None]), stay))


pyro.set_rng_seed(0)
mcmc = MCMC(FHL(model), num_samples=draws, warmup_steps=draws, num_chains=8, disable_progbar=True)
mcmc.run(counts)
fhl_ppl.summary(mcmc)

sites = {name: value.numpy() for name, value in mcmc.get_samples().items()}
fig, (series, rates) = plt.subplots(1, 2, figsize=(8, 3), width_ratios=[3, 2], layout="constrained")
series.plot(counts, ".-", color="0.6", linewidth=0.7)
series.fill_between(range(120), 0, 16, where=states == 1, color="0.9", label="truly busy")
series.set(xlabel="minute", ylabel="cars", title="Counts")
series.legend(loc="upper right", fontsize="small")
rates.hist(sites["calm"], 40, density=True, alpha=0.7, label="calm")
rates.hist(sites["calm"] + sites["more"], 40, density=True, alpha=0.7, label="busy")
for truth in (3.0, 9.0):
    rates.axvline(truth, color="black", linewidth=1)
rates.set(xlabel="cars a minute", title="Rates, and the true ones")
rates.legend()
plt.show()
