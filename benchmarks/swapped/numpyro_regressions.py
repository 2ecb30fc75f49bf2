"""NumPyro's examples of groups, weights and networks, in other words and on simulated data."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.infer.reparam import LocScaleReparam

from benchmarks.swapped.case import Case, chosen


def baseball(at_bats, hits):
    """Players' logits around a common one, not centred by a handler."""
    with handlers.reparam(config={"logit": LocScaleReparam(centered=0)}):
        loc = numpyro.sample("loc", dist.Normal(-1.0, 1.0))
        scale = numpyro.sample("scale", dist.HalfCauchy(1.0))
        with numpyro.plate("players", len(at_bats)):
            logit = numpyro.sample("logit", dist.Normal(loc, scale))
            numpyro.deterministic("ability", 1 / (1 + jnp.exp(-logit)))
            numpyro.sample("hits", dist.Binomial(at_bats, logits=logit), obs=hits)


def baseball_case():
    rng = np.random.default_rng(0)
    at_bats = np.full(18, 45)
    hits = rng.binomial(at_bats, 1 / (1 + np.exp(-rng.normal(-1.0, 0.3, 18))))
    return Case(baseball, (at_bats, hits))


def ucbadmit(department, male, applications, admitted):
    """Intercept and slope of each department, correlated, with a Cholesky factor of LKJ's."""
    mean = numpyro.sample("mean", dist.Normal(0.0, jnp.array([4.0, 1.0])).to_event(1))
    scale = numpyro.sample("scale", dist.HalfNormal(1.0).expand([2]).to_event(1))
    factor = numpyro.sample("factor", dist.LKJCholesky(2, concentration=2.0))
    with numpyro.plate("departments", department.max() + 1):
        raw = numpyro.sample("raw", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
    effect = numpyro.deterministic("effect", mean + raw @ (scale[:, None] * factor).T)
    logit = effect[department, 0] + effect[department, 1] * male
    with numpyro.plate("rows", len(department)):
        numpyro.sample("admitted", dist.Binomial(applications, logits=logit), obs=admitted)


def ucbadmit_case():
    rng = np.random.default_rng(1)
    department, male = np.repeat(np.arange(6), 2), np.tile([1, 0], 6)
    applications = rng.integers(20, 800, 12)
    effects = rng.multivariate_normal([-0.5, -0.2], [[1.5, -0.2], [-0.2, 0.2]], 6)
    logit = effects[department, 0] + effects[department, 1] * male
    admitted = rng.binomial(applications, 1 / (1 + np.exp(-logit)))
    return Case(ucbadmit, (department, male, applications, admitted))


def horseshoe_regression(x, y):
    """Many weights, few of them other than zero."""
    with numpyro.plate("columns", x.shape[1]):
        local = numpyro.sample("local", dist.HalfCauchy(1.0))
        raw = numpyro.sample("raw", dist.Normal(0.0, 1.0))
    overall = numpyro.sample("overall", dist.HalfCauchy(1.0))
    weights = numpyro.deterministic("weights", overall * local * raw)
    precision = numpyro.sample("precision", dist.Gamma(3.0, 1.0))
    with numpyro.plate("rows", len(y)):
        numpyro.sample("y", dist.Normal(x @ weights, precision**-0.5), obs=y)


def horseshoe_case():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(100, 20))
    y = x[:, :3] @ [2.0, -1.5, 0.8] + rng.normal(0.0, 0.7, 100)

    def compared(draws):
        # Cauchy's tails have no moments.
        logs = {name: np.log(draws[name]) for name in ("local", "overall")}
        return logs | {name: draws[name] for name in ("weights", "precision")}

    return Case(horseshoe_regression, (x, y), compared=compared)


def bnn(x, y, places):
    """A network of two hidden layers, whose units may change places and signs."""
    first = numpyro.sample("first", dist.Normal(jnp.zeros((x.shape[1], 5)), 1.0).to_event(2))
    second = numpyro.sample("second", dist.Normal(jnp.zeros((5, 5)), 1.0).to_event(2))
    third = numpyro.sample("third", dist.Normal(jnp.zeros((5, 1)), 1.0).to_event(2))
    precision = numpyro.sample("precision", dist.Gamma(3.0, 1.0))

    def mean(inputs):
        return (jnp.tanh(jnp.tanh(inputs @ first) @ second) @ third)[:, 0]

    numpyro.deterministic("prediction", mean(places))
    with numpyro.plate("rows", len(y)):
        numpyro.sample("y", dist.Normal(mean(x), precision**-0.5), obs=y)


def bnn_case():
    rng = np.random.default_rng(3)

    def powers(x):
        return np.stack([np.ones_like(x), x, x**2], -1)

    x = np.linspace(-1.0, 1.0, 100)
    y = x + 0.2 * x**3 + 0.5 * (0.5 + x) ** 2 * np.sin(4 * x) + rng.normal(0.0, 0.05, 100)
    y = (y - y.mean()) / y.std()
    args = powers(x), y, powers(np.linspace(-1.3, 1.3, 9))
    return Case(bnn, args, compared=chosen("prediction", "precision"))


def sparse_regression(x, y):
    """Pairs of columns by a kernel, with a horseshoe on the columns and weights integrated out."""
    rows, columns = x.shape
    noise = numpyro.sample("noise", dist.HalfNormal(3.0))
    expected = 3.0
    overall_scale = noise * expected / ((columns - expected) * jnp.sqrt(rows))
    overall = numpyro.sample("overall", dist.HalfCauchy(overall_scale))
    slab = numpyro.sample("slab", dist.InverseGamma(2.0, 2.0))
    pair_slab = numpyro.sample("pair_slab", dist.InverseGamma(2.0, 2.0))
    pairs = numpyro.deterministic("pairs", overall**2 * jnp.sqrt(pair_slab) / slab)
    local = numpyro.sample("local", dist.HalfCauchy(jnp.ones(columns)).to_event(1))
    width = jnp.sqrt(slab) * local / jnp.sqrt(slab + (overall * local) ** 2)
    scaled = numpyro.deterministic("width", width) * x
    product, squares = scaled @ scaled.T, scaled**2 @ (scaled**2).T
    covariance = 0.5 * pairs**2 * ((1 + product) ** 2 - squares - 1)
    covariance += (overall**2 - pairs**2) * product + 1.0
    covariance += (noise**2 + 1e-4) * jnp.eye(rows)
    numpyro.sample("y", dist.MultivariateNormal(jnp.zeros(rows), covariance), obs=y)


def sparse_case():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(60, 10))
    y = x[:, :3] @ [1.0, -0.6, 0.4] + 0.8 * x[:, 0] * x[:, 1] + rng.normal(0.0, 0.3, 60)

    def compared(draws):
        logs = {name: np.log(draws[name]) for name in draws if name != "noise"}
        return logs | {"noise": draws["noise"]}

    return Case(sparse_regression, (x, y - y.mean()), compared=compared, x64=True)


CASES = {
    "baseball": baseball_case,
    "ucbadmit": ucbadmit_case,
    "horseshoe_regression": horseshoe_case,
    "bnn": bnn_case,
    "sparse_regression": sparse_case,
}
