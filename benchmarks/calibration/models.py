"""Models whose parameters and data are drawn together, and what of them is ranked."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import random

Array = Any


class Case(NamedTuple):
    """`model(data)` draws the data if they are None; `quantities(sites)` gives scalars by name."""

    model: Callable[..., Any]
    quantities: Callable[[dict[str, Array]], dict[str, Array]]


def each(sites: dict[str, Array]) -> dict[str, Array]:
    """All scalars of all sites."""
    return {
        f"{name}[{i}]" if value.size > 1 else name: value.reshape(-1)[i]
        for name, value in sites.items()
        for i in range(value.size)
    }


def conjugate(data: Array | None = None) -> None:
    """A mean, five observations."""
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(mu, 1).expand([5]).to_event(1), obs=data)


def hierarchy(data: Array | None = None) -> None:
    """Eight groups, not centred."""
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    tau = numpyro.sample("tau", dist.HalfNormal(1))
    eta = numpyro.sample("eta", dist.Normal(0, 1).expand([8]).to_event(1))
    numpyro.sample("y", dist.Normal(mu + tau * eta, 1).to_event(1), obs=data)


def centred(data: Array | None = None) -> None:
    """The same, centred."""
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    tau = numpyro.sample("tau", dist.HalfNormal(1))
    theta = numpyro.sample("theta", dist.Normal(mu, tau).expand([8]).to_event(1))
    numpyro.sample("y", dist.Normal(theta, 1).to_event(1), obs=data)


ROWS = random.normal(random.PRNGKey(0), (60, 3))


def logistic(data: Array | None = None, batch: int | None = None) -> None:
    """Sixty rows, three coefficients."""
    beta = numpyro.sample("beta", dist.Normal(0, 1).expand([3]).to_event(1))
    with numpyro.plate("rows", len(ROWS), subsample_size=batch) as index:
        observed = None if data is None else data[index]
        numpyro.sample("y", dist.Bernoulli(logits=ROWS[index] @ beta), obs=observed)


def simplex(data: Array | None = None) -> None:
    """Four shares of ten counts."""
    share = numpyro.sample("share", dist.Dirichlet(jnp.ones(4)))
    numpyro.sample("y", dist.Multinomial(10, share), obs=data)


def correlation(data: Array | None = None) -> None:
    """Three correlations, ten observations."""
    root = numpyro.sample("root", dist.LKJCholesky(3, 1.0))
    normal = dist.MultivariateNormal(jnp.zeros(3), scale_tril=root)
    numpyro.sample("y", normal.expand([10]).to_event(1), obs=data)


def correlations(sites: dict[str, Array]) -> dict[str, Array]:
    """Below the diagonal."""
    matrix = sites["root"] @ sites["root"].T
    return {"r12": matrix[1, 0], "r13": matrix[2, 0], "r23": matrix[2, 1]}


def mixture(data: Array | None = None) -> None:
    """Two clusters that may change their names."""
    share = numpyro.sample("share", dist.Beta(2, 2))
    centre = numpyro.sample("centre", dist.Normal(0, 2).expand([2]).to_event(1))
    shares = dist.Categorical(jnp.stack([share, 1 - share]))
    parts = dist.MixtureSameFamily(shares, dist.Normal(centre, 1))
    numpyro.sample("y", parts.expand([20]).to_event(1), obs=data)


def without_names(sites: dict[str, Array]) -> dict[str, Array]:
    """What does not depend on which cluster is the first."""
    centre, share = sites["centre"], sites["share"]
    first = jnp.argmin(centre)
    return {
        "lower": centre.min(),
        "upper": centre.max(),
        "share of the lower": jnp.where(first == 0, share, 1 - share),
    }


CASES = {
    "conjugate": Case(conjugate, each),
    "hierarchy": Case(hierarchy, each),
    "centred": Case(centred, each),
    "logistic": Case(logistic, each),
    "simplex": Case(simplex, each),
    "correlation": Case(correlation, correlations),
    "mixture": Case(mixture, without_names),
}


def prior_draw(model: Callable[..., Any], key: Array) -> tuple[dict[str, Array], Array]:
    """Parameters by site, and the data that they gave."""
    trace = numpyro.handlers.trace(numpyro.handlers.seed(model, key)).get_trace()
    values = {name: site["value"] for name, site in trace.items() if site["type"] == "sample"}
    data = values.pop("y")
    return jax.tree.map(jnp.asarray, values), data
