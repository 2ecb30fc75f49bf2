"""Two hidden states, summed over."""

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import logsumexp
from numpyro.distributions import constraints

from benchmarks.posteriors.flat import flat


def log_likelihood(log_transition, log_emission):
    """Log probability of log_emission [time, state], every first state weighing 1 as in Stan.

    The products of neighbouring matrices are taken in pairs: log2(time) levels.
    """
    states = log_emission.shape[1]
    matrices = log_transition[None] + log_emission[1:, None, :]
    identity = jnp.where(jnp.eye(states, dtype=bool), 0.0, -1e30)
    while matrices.shape[0] > 1:
        if matrices.shape[0] % 2:
            matrices = jnp.concatenate([matrices, identity[None]])
        left, right = matrices[0::2], matrices[1::2]
        matrices = logsumexp(left[:, :, :, None] + right[:, None, :, :], axis=2)
    return logsumexp(log_emission[0][:, None] + matrices[0])


def two_states(emission, names, support, prior_mean, concentration):
    def model():
        rows = [numpyro.sample(f"theta{i + 1}", dist.Dirichlet(concentration[i])) for i in range(2)]
        means = []
        for name in names:
            mean = flat(name, support, (2,))
            prior = dist.Normal(jnp.array(prior_mean, float), 1).log_prob(mean).sum()
            numpyro.factor(f"{name}_prior", prior)
            means.append(mean)
        numpyro.factor("y", log_likelihood(jnp.log(jnp.stack(rows)), emission(*means)))

    return model


def hmm_example(data):
    y = jnp.array(data["y"], float)[:, None]
    support = constraints.positive_ordered_vector
    ones = jnp.ones((2, 2))
    return two_states(lambda mu: dist.Normal(mu, 1).log_prob(y), ("mu",), support, (3, 10), ones)


def hmm_drive(data):
    u, v = jnp.array(data["u"], float)[:, None], jnp.array(data["v"], float)[:, None]
    tau, rho = float(data["tau"]), float(data["rho"])

    def emission(phi, rate):
        return dist.Normal(phi, tau).log_prob(u) + dist.Normal(rate, rho).log_prob(v)

    names, support = ("phi", "lambda"), constraints.ordered_vector
    return two_states(emission, names, support, (0, 3), jnp.array(data["alpha"], float))
