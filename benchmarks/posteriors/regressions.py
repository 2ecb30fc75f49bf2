"""Linear and logistic regressions, with the flat priors of their posteriordb originals."""

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints

from benchmarks.posteriors.flat import flat


def linear(design, outcome):
    def model():
        beta = flat("beta", constraints.real_vector, (design.shape[1],))
        sigma = flat("sigma", constraints.positive)
        numpyro.sample("y", dist.Normal(design @ beta, sigma), obs=outcome)

    return model


def logearn_interaction(data):
    height, male = jnp.array(data["height"], float), jnp.array(data["male"], float)
    design = jnp.stack([jnp.ones_like(height), height, male, height * male], 1)
    return linear(design, jnp.log(jnp.array(data["earn"], float)))


def mesquite(data):
    names = ("diam1", "diam2", "canopy_height", "total_height", "density", "group")
    columns = [jnp.ones(len(data["weight"])), *(jnp.array(data[name], float) for name in names)]
    return linear(jnp.stack(columns, 1), jnp.array(data["weight"], float))


def nes(data):
    age = data["age_discrete"]
    columns = [
        *(jnp.ones(len(age)), data["real_ideo"], data["race_adj"]),
        *(age == 2, age == 3, age == 4),
        *(data["educ1"], data["gender"], data["income"]),
    ]
    design = jnp.stack([jnp.array(column, float) for column in columns], 1)
    return linear(design, jnp.array(data["partyid7"], float))


def german_credit(data):
    """The design with a last column of ones, and the outcome."""
    x = jnp.array(data["x"], float)
    return jnp.concatenate([x, jnp.ones((len(x), 1))], 1), jnp.array(data["y"], int)


def german_logistic(data):
    design, outcome = german_credit(data)

    def model():
        weights = numpyro.sample("weights", dist.Normal(0, 1).expand([design.shape[1]]).to_event(1))
        numpyro.sample("y", dist.BernoulliLogits(design @ weights), obs=outcome)

    return model


def german_sparse(data):
    """Horseshoe-like shrinkage, with gamma in place of half-Cauchy scales."""
    design, outcome = german_credit(data)
    dim = design.shape[1]

    def model():
        weights = numpyro.sample("unscaled_weights", dist.Normal(0, 1).expand([dim]).to_event(1))
        local = numpyro.sample("local_scales", dist.Gamma(0.5, 0.5).expand([dim]).to_event(1))
        overall = numpyro.sample("global_scale", dist.Gamma(0.5, 0.5))
        logits = design @ (weights * local * overall)
        numpyro.sample("y", dist.BernoulliLogits(logits), obs=outcome)

    return model
