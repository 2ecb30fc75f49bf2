"""Autoregression, volatility, a random walk, and predators with their prey."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints

from benchmarks.posteriors.flat import flat


def autoregression(data):
    y, order = jnp.array(data["y"], float), int(data["K"])
    lagged = jnp.stack([y[order - k - 1 : len(y) - k - 1] for k in range(order)], 1)

    def model():
        alpha = numpyro.sample("alpha", dist.Normal(0, 10))
        beta = numpyro.sample("beta", dist.Normal(0, 10).expand([order]).to_event(1))
        sigma = numpyro.sample("sigma", dist.HalfCauchy(2.5))
        numpyro.sample("y", dist.Normal(alpha + lagged @ beta, sigma), obs=y[order:])

    return model


def linear_recursion(factor, increment, start):
    """x[t] = factor[t] x[t-1] + increment[t] for all t at once."""

    def compose(left, right):
        return left[0] * right[0], right[0] * left[1] + right[1]

    factors, increments = jax.lax.associative_scan(compose, (factor, increment))
    return factors * start + increments


def garch(data):
    y, first_scale = jnp.array(data["y"], float), float(data["sigma1"])

    def model():
        mu = flat("mu", constraints.real)
        alpha0 = flat("alpha0", constraints.positive)
        alpha1 = flat("alpha1", constraints.unit_interval)
        raw = flat("beta1_raw", constraints.unit_interval)
        beta1 = numpyro.deterministic("beta1", (1 - alpha1) * raw)
        # beta1, not the raw variable, is flat on (0, 1 - alpha1).
        numpyro.factor("jacobian", jnp.log1p(-alpha1))
        shock = alpha0 + alpha1 * (y[:-1] - mu) ** 2
        first = jnp.asarray(first_scale**2)
        later = linear_recursion(jnp.full(shock.shape, beta1), shock, first)
        variance = jnp.concatenate([first[None], later])
        numpyro.sample("y", dist.Normal(mu, jnp.sqrt(variance)), obs=y)

    return model


def brownian_motion(data):
    y = jnp.array(data["y"], float)
    seen = ~jnp.isnan(y)
    y = jnp.where(seen, y, 0.0)

    def model():
        innovation = numpyro.sample("innovation_noise_scale", dist.LogNormal(0, 2))
        observation = numpyro.sample("observation_noise_scale", dist.LogNormal(0, 2))
        locs = numpyro.sample("locs", dist.GaussianRandomWalk(innovation, len(y)))
        numpyro.sample("y", dist.Normal(locs, observation).mask(seen), obs=y)

    return model


def stochastic_volatility(data):
    y = jnp.array(data["y"], float)

    def model():
        raw = numpyro.sample("persistence_raw", dist.Beta(20.0, 1.5))
        persistence = numpyro.deterministic("persistence_of_volatility", 2 * raw - 1)
        mean = numpyro.sample("mean_log_volatility", dist.Cauchy(0, 5))
        shock = numpyro.sample("white_noise_shock_scale", dist.HalfCauchy(2))
        x = flat("log_volatility", constraints.real_vector, (len(y),))
        first = dist.Normal(mean, shock / jnp.sqrt(1 - persistence**2)).log_prob(x[0])
        later = dist.Normal(mean + persistence * (x[:-1] - mean), shock).log_prob(x[1:])
        numpyro.factor("volatility", first + later.sum())
        numpyro.sample("y", dist.Normal(0, jnp.exp(x / 2)), obs=y)

    return model


def runge_kutta(derivative, start, times, steps):
    """Solution at times[1:], with equal fourth-order steps on each interval."""
    width = jnp.repeat(jnp.diff(times) / steps, steps)

    def step(x, h):
        k1 = derivative(x)
        k2 = derivative(x + h / 2 * k1)
        k3 = derivative(x + h / 2 * k2)
        k4 = derivative(x + h * k3)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return x, x

    return jax.lax.scan(step, start, width)[1][steps - 1 :: steps]


def lotka_volterra(data):
    times = jnp.concatenate([jnp.zeros(1), jnp.array(data["ts"], float)])
    first, later = jnp.array(data["y_init"], float), jnp.array(data["y"], float)
    prior = dist.Normal(jnp.array([1, 0.05, 1, 0.05]), jnp.array([0.5, 0.05, 0.5, 0.05]))

    def model():
        theta = flat("theta", constraints.independent(constraints.positive, 1), (4,))
        numpyro.factor("theta_prior", prior.log_prob(theta).sum())
        start = numpyro.sample("z_init", dist.LogNormal(jnp.log(10.0), 1).expand([2]).to_event(1))
        sigma = numpyro.sample("sigma", dist.LogNormal(-1, 1).expand([2]).to_event(1))

        def derivative(log_population):
            # A start far off may blow up within a step; its gradient has to stay finite.
            population = jnp.exp(jnp.clip(log_population, -30, 30))
            growth = theta[0] - theta[1] * population[1]
            return jnp.stack([growth, -theta[2] + theta[3] * population[0]])

        path = runge_kutta(derivative, jnp.log(start), times, 10)
        numpyro.factor("first", dist.LogNormal(jnp.log(start), sigma).log_prob(first).sum())
        numpyro.factor("later", dist.LogNormal(path, sigma).log_prob(later).sum())

    return model
