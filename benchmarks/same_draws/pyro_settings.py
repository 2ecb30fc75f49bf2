"""Settings of the Pyro kernel: SETTINGS[name]() gives every iteration's sites, and the draws."""

from functools import partial

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro.infer import config_enumerate

from fhl_ppl.pyro import FHL, MCMC

WARMUP, DRAWS = 60, 40

EFFECT = [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]
ERROR = [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]
ROWS = np.random.default_rng(0).normal(size=(100, 3))
OUTCOME = (ROWS @ [1.0, -1.0, 0.5] > 0).astype(float)
CLUSTERS = np.random.default_rng(1).normal(size=20) + 3 * np.repeat([-1.0, 1.0], 10)


def number(value):
    return torch.as_tensor(value, dtype=torch.get_default_dtype())


def schools():
    mu = pyro.sample("mu", dist.Normal(number(0), 5))
    tau = pyro.sample("tau", dist.HalfCauchy(number(5)))
    with pyro.plate("school", 8):
        offset = pyro.sample("offset", dist.Normal(number(0), 1))
        pyro.sample("effect", dist.Normal(mu + tau * offset, number(ERROR)), obs=number(EFFECT))


def logistic(batch=None):
    weight = pyro.sample("weight", dist.Normal(number(np.zeros(3)), 2).to_event(1))
    with pyro.plate("rows", len(OUTCOME), subsample_size=batch) as index:
        logits = number(ROWS)[index] @ weight
        pyro.sample("outcome", dist.Bernoulli(logits=logits), obs=number(OUTCOME)[index])


@config_enumerate
def mixture():
    centre = pyro.sample("centre", dist.Normal(number([0, 0]), 5).to_event(1))
    with pyro.plate("data", len(CLUSTERS)):
        which = pyro.sample("which", dist.Categorical(number([0.5, 0.5])))
        pyro.sample("x", dist.Normal(centre[which], 1), obs=number(CLUSTERS))


def no_gradient(z):
    return {name: torch.zeros_like(x) for name, x in z.items()}


def noisy(z):
    return {name: x + 0.3 * torch.randn_like(x) for name, x in z.items()}


def record(model, chains=8, dtype=torch.float64, **settings):
    """Every iteration, warm-up included, and what a user gets."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    kept = []

    def keep(kernel, sites, stage, i):
        kept.append({name: value.detach().clone() for name, value in sites.items()})

    try:
        mcmc = MCMC(
            FHL(model, **settings),
            DRAWS,
            WARMUP,
            num_chains=chains,
            hook_fn=keep,
            disable_progbar=True,
        )
        mcmc.run()
    finally:
        torch.set_default_dtype(before)
    draws = {f"z {name}": torch.stack([sites[name] for sites in kept]).numpy() for name in kept[0]}
    constrained = mcmc.get_samples(group_by_chain=True)
    return draws | {name: value.movedim(1, 0).numpy() for name, value in constrained.items()}


SETTINGS = {
    "default": partial(record, schools),
    "jumps=False": partial(record, schools, jumps=False),
    "joint": partial(record, schools, coupling="joint"),
    "zero gradient": partial(record, logistic, gradient_fn=no_gradient),
    "noisy gradient": partial(record, logistic, gradient_fn=noisy, noisy_gradient=True),
    "minibatch": partial(record, partial(logistic, 10), minibatch=True),
    "low rank": partial(record, schools, dense_mass="low_rank"),
    "diagonal": partial(record, schools, dense_mass=False),
    "dense blocks": partial(record, schools, dense_mass=[("mu", "tau")]),
    "enumeration": partial(record, mixture),
    "one chain": partial(record, logistic, chains=1),
    "6 in groups of 4": partial(record, logistic, chains=6),
    "7 in groups of 4": partial(record, logistic, chains=7),
    "float32": partial(record, schools, dtype=torch.float32),
    "leapfrog, given length": partial(
        record, logistic, integrator="leapfrog", trajectory_length=1.5, pulling_strength=0.5
    ),
    "groups of one, given steps": partial(record, logistic, group_size=1, num_steps=3),
    "unadjusted": partial(record, logistic, adjusted=False, step_size=0.1),
}
