"""Pupils of three schools: a model with plates, a factor and a deterministic site."""

import pyro
import pyro.distributions as dist
import torch

Y = torch.tensor([[1.0, 2.0, 0.5], [2.5, 1.0, 1.5]])


def model(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    pyro.factor("penalty", -(mu**2) / 50)
    with pyro.plate("school", 3):
        offset = pyro.sample("offset", dist.Normal(0.0, 1.0))
        theta = pyro.deterministic("theta", mu + offset)
        with pyro.plate("pupil", 2):
            pyro.sample("y", dist.Normal(theta, 1.0), obs=y)
