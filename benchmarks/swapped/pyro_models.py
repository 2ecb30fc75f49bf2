"""Pyro's examples in other words, on simulated data where theirs are not small."""

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.infer import config_enumerate
from pyro.nn import PyroModule, PyroSample

from benchmarks.swapped.case import Case
from tests.pyro.models import SCHOOLS, SCHOOLS_SIGMA


def baseball(at_bats, hits):
    """Players' chances are alike, how much so has Pareto's tails."""
    mean = pyro.sample("mean", dist.Uniform(0.0, 1.0))
    alike = pyro.sample("alike", dist.Pareto(1.0, 1.5))
    with pyro.plate("players", len(at_bats)):
        chance = pyro.sample("chance", dist.Beta(mean * alike, (1 - mean) * alike))
        pyro.sample("hits", dist.Binomial(at_bats, chance), obs=hits)


def baseball_case():
    rng = np.random.default_rng(0)
    hits = rng.binomial(45, rng.beta(20.0, 55.0, 18))

    def compared(draws):
        # Pareto's tails have no moments.
        return {**draws, "alike": np.log(draws["alike"])}

    args = torch.full((18,), 45.0), torch.as_tensor(hits, dtype=torch.float)
    return Case(baseball, args, compared=compared)


class EightSchools(PyroModule):
    """Priors by `PyroSample`, and a loop over a plate."""

    def __init__(self):
        super().__init__()
        self.mu = PyroSample(dist.Normal(0.0, 10.0))
        self.tau = PyroSample(dist.HalfCauchy(5.0))
        self.eta = PyroSample(dist.Normal(0.0, 1.0).expand([8]).to_event(1))

    def forward(self, effect, error):
        theta = pyro.deterministic("theta", self.mu + self.tau * self.eta)
        for school in pyro.plate("schools", 8):
            likelihood = dist.Normal(theta[school], error[school])
            pyro.sample(f"y{school}", likelihood, obs=effect[school])


def schools_case():
    def compared(draws):
        theta = draws["mu"][..., None] + draws["tau"][..., None] * draws["eta"]
        return {"mu": draws["mu"], "log tau": np.log(draws["tau"]), "theta": theta}

    return Case(
        EightSchools(), (torch.tensor(SCHOOLS), torch.tensor(SCHOOLS_SIGMA)), compared=compared
    )


@config_enumerate
def hmm(sequences, lengths):
    """Notes that depend on hidden states, summed out; sequences end at different times."""
    count, duration, notes = sequences.shape
    change = pyro.sample("change", dist.Dirichlet(0.8 * torch.eye(2) + 0.2).to_event(1))
    sound = pyro.sample("sound", dist.Beta(0.5, 0.9).expand([2, notes]).to_event(2))
    notes_plate = pyro.plate("notes", notes, dim=-1)
    with pyro.plate("sequences", count, dim=-2):
        state = 0
        for t in pyro.markov(range(duration)):
            with poutine.mask(mask=(t < lengths).unsqueeze(-1)):
                state = pyro.sample(f"state{t}", dist.Categorical(change[state]))
                with notes_plate:
                    heard = dist.Bernoulli(sound[state.squeeze(-1)])
                    pyro.sample(f"heard{t}", heard, obs=sequences[:, t])


def hmm_case():
    rng = np.random.default_rng(1)
    change = np.array([[0.8, 0.2], [0.3, 0.7]])
    sound = np.array([[0.9, 0.7, 0.1], [0.2, 0.3, 0.8]])
    sequences, lengths = np.zeros((8, 10, 3)), rng.integers(6, 11, 8)
    for sequence, length in zip(sequences, lengths, strict=True):
        state = 0
        for t in range(length):
            state = rng.choice(2, p=change[state])
            sequence[t] = rng.random(3) < sound[state]

    def compared(draws):
        stay = np.diagonal(draws["change"], axis1=-2, axis2=-1)
        return {"stay": np.sort(stay, -1), "sound": np.sort(draws["sound"], -2)}

    args = torch.as_tensor(sequences, dtype=torch.float), torch.as_tensor(lengths)
    return Case(hmm, args, compared=compared)


def lkj(y):
    """Scales and correlations of a Gaussian."""
    size = y.shape[1]
    scale = pyro.sample("scale", dist.HalfCauchy(1.0).expand([size]).to_event(1))
    factor = pyro.sample("factor", dist.LKJCholesky(size, 1.0))
    with pyro.plate("rows", len(y)):
        shape = scale.sqrt().unsqueeze(-1) * factor
        pyro.sample("y", dist.MultivariateNormal(torch.zeros(size), scale_tril=shape), obs=y)


def lkj_case():
    rng = np.random.default_rng(2)
    mixing = np.tril(rng.normal(size=(4, 4)))
    return Case(lkj, (torch.as_tensor(rng.normal(size=(100, 4)) @ mixing.T, dtype=torch.float),))


CASES = {
    "baseball": baseball_case,
    "eight_schools": schools_case,
    "hmm": hmm_case,
    "lkj": lkj_case,
}
