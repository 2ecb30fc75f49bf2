"""A Gaussian process, and densities in closed form."""

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints

from benchmarks.posteriors.flat import flat


def gaussian_process(data):
    x, y = jnp.array(data["x"], float), jnp.array(data["y"], float)

    def model():
        rho = numpyro.sample("rho", dist.Gamma(25, 4))
        alpha = numpyro.sample("alpha", dist.HalfNormal(2))
        sigma = numpyro.sample("sigma", dist.HalfNormal(1))
        kernel = alpha**2 * jnp.exp(-0.5 * (x[:, None] - x[None]) ** 2 / rho**2)
        covariance = kernel + sigma * jnp.eye(len(x))
        numpyro.sample("y", dist.MultivariateNormal(jnp.zeros(len(x)), covariance), obs=y)

    return model


def gaussian(data):
    precision = jnp.array(data["prec"], float)

    def model():
        x = flat("x", constraints.real_vector, (len(precision),))
        numpyro.factor("density", -0.5 * x @ (precision @ x))

    return model


def funnel(data):
    def model():
        v = numpyro.sample("v", dist.Normal(0, 3))
        x = numpyro.sample("x", dist.Normal(0, jnp.exp(v / 2)).expand([9]).to_event(1))
        numpyro.deterministic("u", x * jnp.exp(-v / 2))

    return model
