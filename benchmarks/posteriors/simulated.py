"""Models that the published sets lack, with data simulated from them (`simulate.py`)."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist


def raw_regression(data):
    """Columns as they were recorded, from fractions to thousands, and an interaction."""
    x, y = jnp.array(data["x"], float), jnp.array(data["y"], float)
    columns = x.shape[1]

    def model():
        level = numpyro.sample("level", dist.Normal(0, 1000))
        slope = numpyro.sample("slope", dist.Normal(0, 100).expand([columns]).to_event(1))
        noise = numpyro.sample("noise", dist.HalfNormal(100))
        numpyro.sample("y", dist.Normal(level + x @ slope, noise), obs=y)

    return model


def overdispersed_counts(data):
    """A negative binomial regression with exposures."""
    x, y = jnp.array(data["x"], float), jnp.array(data["y"])
    exposure = jnp.array(data["exposure"], float)
    columns = x.shape[1]

    def model():
        level = numpyro.sample("level", dist.Normal(0, 5))
        slope = numpyro.sample("slope", dist.Normal(0, 1).expand([columns]).to_event(1))
        shape = numpyro.sample("shape", dist.Gamma(2, 0.1))
        rate = exposure * jnp.exp(level + x @ slope)
        numpyro.sample("y", dist.NegativeBinomial2(rate, shape), obs=y)

    return model


def absorption(data):
    """One compartment after an oral dose, absorption and elimination of the first order."""
    time, y = jnp.array(data["time"], float), jnp.array(data["y"], float)
    dose = jnp.array(data["dose"], float)

    def model():
        absorbed = numpyro.sample("absorbed", dist.LogNormal(0, 1))
        slower = numpyro.sample("slower", dist.Beta(2, 2))
        volume = numpyro.sample("volume", dist.LogNormal(3, 1))
        noise = numpyro.sample("noise", dist.HalfNormal(0.5))
        eliminated = absorbed * slower
        path = jnp.exp(-eliminated * time) - jnp.exp(-absorbed * time)
        level = dose / volume / (1 - slower) * path
        numpyro.sample("y", dist.LogNormal(jnp.log(level), noise), obs=y)

    return model


def latent_counts(data):
    """Counts in 300 steps, whose log rate is an autoregression of the first order."""
    y = jnp.array(data["y"])

    def model():
        level = numpyro.sample("level", dist.Normal(0, 2))
        persistence = numpyro.sample("persistence", dist.Beta(8, 2))
        scale = numpyro.sample("scale", dist.HalfNormal(1))
        shock = numpyro.sample("shock", dist.Normal(0, 1).expand([len(y)]).to_event(1))

        def step(x, e):
            x = persistence * x + scale * e
            return x, x

        first = scale / jnp.sqrt(1 - persistence**2) * shock[0]
        _, later = jax.lax.scan(step, first, shock[1:])
        rate = jnp.exp(level + jnp.concatenate([first[None], later]))
        numpyro.sample("y", dist.Poisson(rate), obs=y)

    return model


def ordered_mixture(data):
    """Three components of their own spreads, told apart by the order of their means."""
    y = jnp.array(data["y"], float)

    def model():
        share = numpyro.sample("share", dist.Dirichlet(jnp.full(3, 2.0)))
        gaps = dist.TransformedDistribution(
            dist.Normal(0, 2).expand([3]).to_event(1), dist.transforms.OrderedTransform()
        )
        mean = numpyro.sample("mean", gaps)
        scale = numpyro.sample("scale", dist.LogNormal(-0.5, 0.5).expand([3]).to_event(1))
        mixture = dist.MixtureSameFamily(dist.Categorical(share), dist.Normal(mean, scale))
        numpyro.sample("y", mixture, obs=y)

    return model


def spatial_counts(data):
    """Counts at places in the plane, whose log rate is a Gaussian process."""
    place, y = jnp.array(data["place"], float), jnp.array(data["y"])
    apart = jnp.sqrt(((place[:, None] - place) ** 2).sum(-1) + 1e-12)

    def model():
        level = numpyro.sample("level", dist.Normal(0, 2))
        reach = numpyro.sample("reach", dist.InverseGamma(3, 1))
        scale = numpyro.sample("scale", dist.HalfNormal(1))
        raw = numpyro.sample("raw", dist.Normal(0, 1).expand([len(y)]).to_event(1))
        covariance = scale**2 * jnp.exp(-apart / reach) + 1e-6 * jnp.eye(len(y))
        rate = jnp.exp(level + jnp.linalg.cholesky(covariance) @ raw)
        numpyro.sample("y", dist.Poisson(rate), obs=y)

    return model


def survival(data):
    """Weibull lifetimes, a third of them censored."""
    x, time = jnp.array(data["x"], float), jnp.array(data["time"], float)
    died = jnp.array(data["died"])
    columns = x.shape[1]

    def model():
        level = numpyro.sample("level", dist.Normal(0, 5))
        slope = numpyro.sample("slope", dist.Normal(0, 1).expand([columns]).to_event(1))
        shape = numpyro.sample("shape", dist.LogNormal(0, 1))
        scale = jnp.exp(level + x @ slope)
        hazard = (time / scale) ** shape
        log_density = jnp.log(shape / time) + jnp.log(hazard) - hazard
        numpyro.factor("lifetimes", jnp.where(died, log_density, -hazard).sum())

    return model
