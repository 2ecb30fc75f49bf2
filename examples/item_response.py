"""
Item response: who is able, what is hard?
=========================================

60 people answer 15 questions. The probability of a right answer rises with the ability of the
person and falls with the difficulty of the question (the one-parameter or Rasch model). One word
of the usual script is swapped.
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
pyro.set_rng_seed(0)
true_ability, true_difficulty = torch.randn(60), 1.5 * torch.randn(15)
answers = dist.Bernoulli(logits=true_ability[:, None] - true_difficulty).sample()


def model(answers):
    spread = pyro.sample("spread", dist.HalfNormal(3.0))
    ability = pyro.sample("ability", dist.Normal(torch.zeros(60), 1.0).to_event(1))
    difficulty = pyro.sample("difficulty", dist.Normal(torch.zeros(15), spread).to_event(1))
    logits = ability[:, None] - difficulty
    pyro.sample("answers", dist.Bernoulli(logits=logits).to_event(2), obs=answers)


mcmc = MCMC(FHL(model), num_samples=draws, warmup_steps=draws, num_chains=16, disable_progbar=True)
mcmc.run(answers)
fhl_ppl.summary(mcmc, var_names=["spread", "difficulty"])

fig, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
truths = {"ability": true_ability, "difficulty": true_difficulty}
for ax, (name, truth) in zip(axes, truths.items(), strict=True):
    values = mcmc.get_samples()[name].numpy()
    low, high = np.quantile(values, [0.05, 0.95], axis=0)
    ax.vlines(truth, low, high, color="tab:orange", alpha=0.5)
    ax.plot(truth, values.mean(axis=0), "o", color="tab:orange", markersize=4)
    ax.axline((0, 0), slope=1, color="0.5", linewidth=1)
    ax.set(xlabel=f"true {name}", ylabel="posterior, 90% interval", title=name.capitalize())
plt.show()
