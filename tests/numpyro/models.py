"""Small NumPyro models, each with one thing to trip over: MODELS[name] is (model, args)."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import random
from numpyro import handlers
from numpyro.infer.reparam import LocScaleReparam

CHEAP = {"jumps": False, "integrator": "leapfrog", "pulling_strength": 0.0, "charts": False}
"""Settings under which little has to be compiled, for what has nothing to do with the moves."""

EFFECT = jnp.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
STANDARD_ERROR = jnp.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
TWO_CLUSTERS = jnp.concatenate(
    [random.normal(random.PRNGKey(0), (30,)) - 4, random.normal(random.PRNGKey(1), (30,)) + 4]
)


def eight_schools(effect):
    """A plate and a deterministic site."""
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", 8):
        offset = numpyro.sample("offset", dist.Normal(0, 1))
        theta = numpyro.deterministic("theta", mu + tau * offset)
        numpyro.sample("obs", dist.Normal(theta, STANDARD_ERROR), obs=effect)


def enumerated(data):
    """Discrete latent sites, summed out."""
    weight = numpyro.sample("weight", dist.Dirichlet(jnp.ones(2)))
    centre = numpyro.sample("centre", dist.Normal(jnp.array([-5.0, 5.0]), 2).to_event(1))
    with numpyro.plate("data", len(data)):
        which = numpyro.sample("which", dist.Categorical(weight), infer={"enumerate": "parallel"})
        numpyro.sample("obs", dist.Normal(centre[which], 1), obs=data)


def factor():
    """A factor in place of a likelihood."""
    x = numpyro.sample("x", dist.Normal(0, 1).expand([2]).to_event(1))
    numpyro.factor("tilt", -0.5 * jnp.sum((x - 1) ** 2))


def reparametrised(effect):
    """A centred model made non-centred by a handler."""
    config = {"theta": LocScaleReparam(0)}
    with handlers.reparam(config=config):
        mu = numpyro.sample("mu", dist.Normal(0, 5))
        tau = numpyro.sample("tau", dist.HalfCauchy(5))
        with numpyro.plate("school", 8):
            theta = numpyro.sample("theta", dist.Normal(mu, tau))
            numpyro.sample("obs", dist.Normal(theta, STANDARD_ERROR), obs=effect)


def improper():
    """Flat densities on a constrained support."""
    scale = numpyro.sample(
        "scale", dist.ImproperUniform(dist.constraints.positive, (), event_shape=())
    )
    numpyro.sample("obs", dist.Normal(0, scale), obs=jnp.array([1.0, -2.0, 0.5, 3.0]))


def without_latents():
    """Nothing to sample."""
    numpyro.sample("obs", dist.Normal(0, 1), obs=1.0)
    numpyro.deterministic("constant", jnp.ones(3))


def matrix_valued():
    """Sites of several shapes and supports."""
    correlation = numpyro.sample("correlation", dist.LKJCholesky(3, 2.0))
    scale = numpyro.sample("scale", dist.LogNormal(0, 1).expand([3]).to_event(1))
    cov = scale[:, None] * correlation
    data = np.random.default_rng(0).normal(size=(20, 3))
    numpyro.sample("obs", dist.MultivariateNormal(jnp.zeros(3), scale_tril=cov), obs=data)


def dynamic_support():
    """A support that depends on another site."""
    top = numpyro.sample("top", dist.LogNormal(0, 1))
    numpyro.sample("x", dist.Uniform(0, top))


MODELS = {
    "eight_schools": (eight_schools, (EFFECT,)),
    "enumerated": (enumerated, (TWO_CLUSTERS,)),
    "factor": (factor, ()),
    "reparametrised": (reparametrised, (EFFECT,)),
    "improper": (improper, ()),
    "without_latents": (without_latents, ()),
    "matrix_valued": (matrix_valued, ()),
    "dynamic_support": (dynamic_support, ()),
}
