"""Settings of the NumPyro kernel: SETTINGS[name]() gives every iteration, by field of the state."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import random
from numpyro.infer import MCMC

from fhl_ppl.numpyro import FHL

WARMUP, DRAWS = 60, 40
"""Two windows of warm-up, and frozen iterations after it."""

EFFECT = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERROR = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
ROWS = np.random.default_rng(0).normal(size=(100, 3))
OUTCOME = (ROWS @ [1.0, -1.0, 0.5] > 0).astype(float)
CLUSTERS = np.random.default_rng(1).normal(size=20) + 3 * np.repeat([-1.0, 1.0], 10)


def schools():
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", 8):
        offset = numpyro.sample("offset", dist.Normal(0, 1))
        numpyro.sample("effect", dist.Normal(mu + tau * offset, ERROR), obs=EFFECT)


def logistic(batch=None):
    weight = numpyro.sample("weight", dist.Normal(0, 2).expand([3]).to_event(1))
    with numpyro.plate("rows", len(OUTCOME), subsample_size=batch) as index:
        logits = jnp.asarray(ROWS)[index] @ weight
        numpyro.sample("outcome", dist.Bernoulli(logits=logits), obs=jnp.asarray(OUTCOME)[index])


def mixture():
    centre = numpyro.sample("centre", dist.Normal(0, 5).expand([2]).to_event(1))
    with numpyro.plate("data", len(CLUSTERS)):
        which = numpyro.sample(
            "which", dist.Categorical(jnp.ones(2) / 2), infer={"enumerate": "parallel"}
        )
        numpyro.sample("x", dist.Normal(centre[which], 1), obs=CLUSTERS)


def no_gradient(z):
    return jax.tree.map(jnp.zeros_like, z)


def noisy(z, key):
    return jax.tree.map(lambda x: x + 0.3 * random.normal(key, x.shape, x.dtype), z)


def record(model, chains=8, x64=True, **settings):
    """Every iteration, warm-up included; one compilation."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", x64)
    try:
        kernel = FHL(model, **settings)
        key = random.PRNGKey(0)
        # One key stands for a chain with companions of its own, several for vectorized chains.
        state = kernel.init(key if chains == 1 else random.split(key, chains), WARMUP, None)

        def iteration(state, _):
            state = kernel.sample(state, (), {})
            return state, {name: getattr(state, name) for name in kernel.default_fields}

        _, fields = jax.jit(partial(jax.lax.scan, iteration, length=WARMUP + DRAWS))(state, None)
        # Sites have a name within z, and companions have all that their chain has.
        leaves, _ = jax.tree_util.tree_flatten_with_path(fields)
        return {
            jax.tree_util.keystr(path, simple=True, separator=" "): np.asarray(value)
            for path, value in leaves
        }
    finally:
        jax.config.update("jax_enable_x64", before)


def through_mcmc(model, chains, method, **settings):
    """What a user gets: constrained draws, iteration first."""
    mcmc = MCMC(
        FHL(model, **settings),
        num_warmup=WARMUP,
        num_samples=DRAWS,
        num_chains=chains,
        chain_method=method,
        progress_bar=False,
    )
    mcmc.run(random.PRNGKey(0))
    fields = mcmc.get_samples(True) | mcmc.get_extra_fields(True)
    return {name: np.swapaxes(np.asarray(value), 0, 1) for name, value in fields.items()}


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
    "float32": partial(record, schools, x64=False),
    "leapfrog, given length": partial(
        record, logistic, integrator="leapfrog", trajectory_length=1.5, pulling_strength=0.5
    ),
    "groups of one, given steps": partial(record, logistic, group_size=1, num_steps=3),
    "unadjusted": partial(record, logistic, adjusted=False, step_size=0.1),
    "mapped, fixed metric": partial(record, logistic, evaluation="map", adapt_mass_matrix=False),
    "through MCMC": partial(through_mcmc, logistic, 4, "vectorized"),
}
