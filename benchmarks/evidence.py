"""Is the evidence right to within its error? `python -m benchmarks.evidence` prints a table.

Models whose log Z is known from quadrature or in closed form, with the defaults, starts and search
of NumPyro's kernel. Over `--runs` runs a row has the mean and the standard deviation of z =
(estimate - truth) / error, the mean absolute error in nats, the share of runs with a warning, and
how many were quietly wrong: more than 5 errors and .2 nats off without one. With `--temperatures`
there are rows for what is told, and for the bridge and the stepping stones that it is the better
of.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC

import fhl_ppl
from fhl_ppl.diagnostics.against_evidence import Evidence
from fhl_ppl.numpyro import FHL

Array = Any

NUM_WARMUP, NUM_SAMPLES, NUM_PROPOSALS = 1000, 1000, 2000


class Target(NamedTuple):
    """A prior and a likelihood.

    Attributes
    ----------
    prior
        Of one vector x.
    log_likelihood
        Of x, [dim].
    log_evidence
        log Z.
    """

    prior: dist.Distribution
    log_likelihood: Callable[[Array], Array]
    log_evidence: float

    def model(self) -> None:
        """Written for NumPyro."""
        x = numpyro.sample("x", self.prior)
        numpyro.factor("likelihood", self.log_likelihood(x))


def uniform(low: float, high: float, dim: int) -> dist.Distribution:
    """The prior on a cube."""
    return dist.Uniform(low, high).expand([dim]).to_event(1)


def gaussian(mean: float, dim: int) -> dist.Distribution:
    """N(mean, 1)."""
    return dist.Normal(mean, 1.0).expand([dim]).to_event(1)


def eggbox(x: Array) -> Array:
    """Eighteen modes, those at the edges halved and quartered."""
    return (2 + jnp.cos(x[0] / 2) * jnp.cos(x[1] / 2)) ** 5


def shells(x: Array) -> Array:
    """Two spheres of radius 2 and thickness .1, 7 apart."""

    def shell(place: float) -> Array:
        away = jnp.sqrt((x**2).sum() - 2 * place * x[0] + place**2)
        return -0.5 * ((away - 2) / 0.1) ** 2 - 0.5 * jnp.log(2 * jnp.pi) - jnp.log(0.1)

    return jnp.logaddexp(shell(-3.5), shell(3.5))


def spike_and_slab(x: Array) -> Array:
    """Nine tenths of the mass are in a 1e-10th of the volume, amid the rest."""
    square = (x**2).sum()
    spike = jnp.log(9.0) - 0.5 * square / 0.1**2 - len(x) * jnp.log(0.1)
    return jnp.logaddexp(spike, -0.5 * square)


def product(p: Array) -> Array:
    """50 of 100 where the probability is p1 p2."""
    both = p[0] * p[1]
    choose = jax.scipy.special.gammaln(101.0) - 2 * jax.scipy.special.gammaln(51.0)
    return choose + 50 * jnp.log(both) + 50 * jnp.log1p(-both)


def correlated(x: Array) -> Array:
    """A Gaussian with correlations of .99."""
    dim = len(x)
    largest, others = 1 + (dim - 1) * 0.99, 0.01
    mean = x.mean()
    square = dim * mean**2 / largest + ((x - mean) ** 2).sum() / others
    volume = jnp.log(largest) + (dim - 1) * jnp.log(others)
    return -0.5 * (square + volume + dim * jnp.log(2 * jnp.pi))


def double_well(x: Array) -> Array:
    """Two modes, at -1 and at 1."""
    return -5 * (x[0] ** 2 - 1) ** 2


TARGETS = {
    "eggbox": Target(uniform(0, 10 * np.pi, 2), eggbox, 235.85594),
    "shells, d = 2": Target(uniform(-6, 6, 2), shells, -1.74564),
    "shells, d = 5": Target(uniform(-6, 6, 5), shells, -5.67360),
    "shells, d = 20": Target(uniform(-6, 6, 20), shells, -36.08655),
    "spike in slab": Target(uniform(-5, 5, 10), spike_and_slab, -11.53388),
    "50 of 100": Target(uniform(0, 1, 2), product, -4.97455),
    "correlated": Target(gaussian(15, 8), correlated, -109.26492),
    "double well": Target(gaussian(0, 1), double_well, -1.55513),
}


def found_in(target: Target, runs: int, chains: int, **settings: int) -> list[Evidence]:
    """What `fhl_ppl.log_evidence` says of runs of a target with these settings of the kernel."""
    mcmc = MCMC(
        FHL(target.model, **settings),
        num_warmup=NUM_WARMUP,
        num_samples=NUM_SAMPLES,
        num_chains=chains,
        chain_method="vectorized",
        progress_bar=False,
    )

    def one(seed: int) -> Evidence:
        mcmc.run(jax.random.key(seed))
        return fhl_ppl.log_evidence(mcmc, num_proposals=NUM_PROPOSALS, seed=seed)

    # Each warning is in what is returned.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return [one(seed) for seed in range(runs)]


def row(found: list[Evidence], truth: float, by: str = "best") -> str:
    """Cells of a table, of the value that is told or of that by one of the ways to it."""
    values = {
        "best": [(each.value, each.error) for each in found],
        "bridge": [each.by_bridge for each in found],
        "stones": [each.by_stones for each in found],
    }
    value, error = np.array(values[by], float).T
    warned = np.array([len(each.warnings) > 0 for each in found])
    return cells(value, error, warned, truth)


def cells(value: Array, error: Array, warned: Array, truth: float) -> str:
    """What values, their errors and whether they were warned of, each [run], say together."""
    z = (value - truth) / error
    quiet = (np.abs(z) > 5) & (np.abs(value - truth) > 0.2) & ~warned
    told = [
        f"{truth}",
        f"{value.mean():.4f}",
        f"{error.mean():.4f}",
        f"{z.mean():.2f}",
        f"{z.std(ddof=1):.2f}" if len(z) > 1 else "",
        f"{np.abs(value - truth).mean():.4f}",
        f"{warned.mean():.0%}",
        f"{quiet.sum()}",
    ]
    return " | ".join(told)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--chains", type=int, default=16)
    parser.add_argument("--targets", nargs="+", default=list(TARGETS), choices=TARGETS)
    parser.add_argument("--temperatures", type=int, help="of a tempered run; default: none")
    parser.add_argument("--search", type=int, help="places to descend from; default: the kernel's")
    parser.add_argument("--tell", action="store_true", help="print the warnings of each run too")
    given = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    settings = {name: getattr(given, name) for name in ("temperatures", "search")}
    settings = {name: value for name, value in settings.items() if value is not None}
    ways = ["best"] if given.temperatures is None else ["best", "bridge", "stones"]
    print("| target | by | log Z | found | error | mean z | sd of z | off by | warned | wrong |")
    print("|" + "---|" * 10)
    for name in given.targets:
        target, begin = TARGETS[name], time.perf_counter()
        found = found_in(target, given.runs, given.chains, **settings)
        for way in ways:
            print(f"| {name} | {way} |", row(found, target.log_evidence, way), "|", flush=True)
        if given.tell:
            for each in found:
                print(f"  {each}")
            print(f"  {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
