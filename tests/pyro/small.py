"""A model, a potential, and a gradient of this with noise: for what any run shows."""

import pyro
import pyro.distributions as dist
import torch


def model(y):
    mu = pyro.sample("mu", dist.Normal(torch.tensor(0.0), 10.0))
    scale = pyro.sample("scale", dist.HalfNormal(torch.ones(2)).to_event(1))
    with pyro.plate("data", len(y)):
        pyro.sample("y", dist.Normal(mu, scale.sum()), obs=y)


def gaussian(sites):
    return ((sites["x"] - 3.0) ** 2).sum() / 2


def noisy(sites):
    return {"x": sites["x"] - 3.0 + torch.randn(2)}
