"""Whether means are as wrong as their errors say, and whether a stop rule makes them more so.

    python -m benchmarks.errors [--runs 60] [--chains 4 64] [--posteriors gaussian t ...]

For each posterior with a known answer so many runs with other keys, either of a fixed length or
stopped by `until=Until(ess=400)`, which looks at the draws at 100, 125, ... The error of a mean
(MCSE) is sd / sqrt(S), S the lower of the effective draws (ArviZ's, of the mean) with chains and
with groups as units. Of each x and its square: *ratio* is the variance of the mean over the runs
over the mean MCSE^2, the median over all quantities and its range; *covered* the share of 90%
intervals, mean +- 1.645 MCSE, that have the truth, with its error by the spread over runs, since
quantities of one run go together. Of eight schools the truth is a long run's, whose own errors,
half as large as those of 1000 draws of four chains, are added to MCSE.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import random

from benchmarks.measures import ess
from benchmarks.posteriors import gather, load
from benchmarks.posteriors.models import MODELS
from benchmarks.repeated import Repeated
from fhl_ppl import Until
from fhl_ppl.diagnostics.group_units import mcse_group
from fhl_ppl.numpyro import FHL

WARMUP, BLOCK = 500, 50
FIXED = {4: 1000, 64: 200}
"""Draws of each chain, by how many there are."""
SCHOOLS = "eight_schools-eight_schools_noncentered"


def gaussian():
    numpyro.sample("x", dist.Normal(jnp.arange(10.0), jnp.logspace(-1, 1, 10)).to_event(1))


def conjugate():
    mu = numpyro.sample("x", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(mu, 1).expand([3]).to_event(1), obs=jnp.array([1.0, 2.0, 0.0]))


def t():
    numpyro.sample("x", dist.StudentT(9.0, jnp.zeros(5), 1.0).to_event(1))


def funnel():
    scale = numpyro.sample("v", dist.Normal(0, 1))
    numpyro.sample("x", dist.Normal(0, jnp.exp(scale / 2)).expand([5]).to_event(1))


def moments_of(name):
    """Names, means of x and of x^2, and the errors of both where they are a long run's."""
    of_x = [f"x[{k}]" for k in range(1, 11)]
    if name == "schools":
        reference = load(SCHOOLS)[1]
        errors = reference.mcse_mean, reference.mcse_m2
        return reference.names, reference.mean, reference.m2, *errors
    known = {
        "gaussian": (of_x, np.arange(10.0), np.arange(10.0) ** 2 + np.logspace(-1, 1, 10) ** 2),
        "conjugate": (["x"], np.array([0.75]), np.array([0.75**2 + 0.25])),
        "t": (of_x[:5], np.zeros(5), np.full(5, 9 / 7)),
        "funnel": (["v", *of_x[:5]], np.zeros(6), np.array([1.0, *[np.exp(0.5)] * 5])),
    }
    names, mean, square = known[name]
    return names, mean, square, 0 * mean, 0 * mean


POSTERIORS = {
    "gaussian": gaussian,
    "conjugate": conjugate,
    "t": t,
    "funnel": funnel,
    "schools": MODELS[SCHOOLS](load(SCHOOLS)[0]),
}


def mcse_squared(values, group):
    """Of the means of draws [chain, draw, quantity]."""
    by_chains = values.var((0, 1)) / np.maximum(ess(values, "mean"), 1)
    return np.maximum(by_chains, np.nan_to_num(mcse_group(values, group) ** 2))


def runs(name, chains, stopped, number):
    """Means and squared errors [run, quantity], and draws of each chain."""
    names, *_ = moments_of(name)
    again = Repeated(lambda _: (FHL(POSTERIORS[name]), ()), chains, WARMUP, BLOCK)
    until = Until(ess=400, draws=10_000) if stopped else Until(draws=FIXED[chains])
    means, errors, lengths = [], [], []
    for key in random.split(random.key(chains), number):
        again.start(key, None)
        status, sites = again.until(until)
        x = gather(sites, names)
        values = np.concatenate([x, x**2], -1)
        means.append(values.mean((0, 1)))
        errors.append(mcse_squared(values, again.group))
        lengths.append(status.draws)
    return np.array(means), np.array(errors), np.mean(lengths)


def row(name, chains, stopped, number):
    means, errors, draws = runs(name, chains, stopped, number)
    _, mean, square, *own = moments_of(name)
    truth = np.concatenate([mean, square])
    errors = errors + np.concatenate(own) ** 2
    ratio = ((means - truth) ** 2).mean(0) / errors.mean(0)
    covers = (np.abs(means - truth) <= 1.645 * np.sqrt(errors)).mean(1)
    share, error = covers.mean(), covers.std(ddof=1) / np.sqrt(number)
    rule = "ESS 400" if stopped else "fixed"
    return (
        f"| {name} | {chains} | {rule} | {draws:.0f} | {np.median(ratio):.2f} "
        f"({ratio.min():.2f} to {ratio.max():.2f}) | {share:.3f} ± {error:.3f} |"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--chains", type=int, nargs="*", default=[4, 64], choices=FIXED)
    parser.add_argument("--posteriors", nargs="*", default=list(POSTERIORS), choices=POSTERIORS)
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    print("| posterior | chains | stopped by | draws | ratio | covered |")
    print("|---|---|---|---|---|---|")
    for chains in options.chains:
        for name in options.posteriors:
            for stopped in (False, True):
                print(row(name, chains, stopped, options.runs), flush=True)


if __name__ == "__main__":
    main()
