"""Is the evidence right to within its error? `python -m benchmarks.evidence` prints a table.

Targets whose log Z is known from quadrature or in closed form, sampled with the defaults from
starts that know nothing (uniform on (-2, 2) in the unconstrained space). Over `--runs` runs a row
has the mean and the standard deviation of z = (estimate - truth) / error, the mean absolute error
in nats, the share of runs with a warning, and how many were quietly wrong: more than 5 errors and
.2 nats off without one.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray

from fhl_ppl.core import warmup
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.report import report
from fhl_ppl.core.sampler import make_sampler, step
from fhl_ppl.core.target import Plain, state_at
from fhl_ppl.diagnostics.against_evidence import Evidence
from fhl_ppl.diagnostics.density import Density
from fhl_ppl.diagnostics.evidence import estimate
from fhl_ppl.diagnostics.known_modes import lost_modes
from fhl_ppl.numpyro.control import JAX
from fhl_ppl.numpyro.randomness import draw
from fhl_ppl.options import Options

Array = Any

NUM_WARMUP, NUM_SAMPLES, NUM_PROPOSALS = 1000, 1000, 2000


class Target(NamedTuple):
    """Number of parameters, U of one particle [dim] in the unconstrained space, and log Z."""

    dim: int
    potential: Callable[[Array], Array]
    log_evidence: float


def uniform(
    low: float, high: float, dim: int, log_likelihood: Callable[[Array], Array], truth: float
) -> Target:
    """A likelihood under a uniform prior, by logits and with their Jacobian."""

    def potential(q: Array) -> Array:
        prior = (jax.nn.log_sigmoid(q) + jax.nn.log_sigmoid(-q)).sum()
        return -prior - log_likelihood(low + (high - low) * jax.nn.sigmoid(q))

    return Target(dim, potential, truth)


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
    """U of a Gaussian likelihood with correlations of .99 under a prior N(15, 1)."""
    dim = len(x)
    largest, others = 1 + (dim - 1) * 0.99, 0.01
    mean = x.mean()
    square = dim * mean**2 / largest + ((x - mean) ** 2).sum() / others
    volume = jnp.log(largest) + (dim - 1) * jnp.log(others)
    return 0.5 * (square + volume + ((x - 15) ** 2).sum()) + dim * jnp.log(2 * jnp.pi)


def double_well(x: Array) -> Array:
    """U of exp(-5 (x^2 - 1)^2) under a prior N(0, 1)."""
    return 5 * (x[0] ** 2 - 1) ** 2 + 0.5 * x[0] ** 2 + 0.5 * jnp.log(2 * jnp.pi)


TARGETS = {
    "eggbox": uniform(0, 10 * np.pi, 2, eggbox, 235.85594),
    "shells, d = 2": uniform(-6, 6, 2, shells, -1.74564),
    "shells, d = 5": uniform(-6, 6, 5, shells, -5.67360),
    "shells, d = 20": uniform(-6, 6, 20, shells, -36.08655),
    "spike in slab": uniform(-5, 5, 10, spike_and_slab, -11.53388),
    "50 of 100": uniform(0, 1, 2, product, -4.97455),
    "correlated": Target(8, correlated, -109.26492),
    "double well": Target(1, double_well, -1.55513),
}


class Draws(NamedTuple):
    """Of one run: [draw, chain, dim], twice [draw, chain], and [component]."""

    position: Array
    energy: Array
    mode: Array
    masses: Array


def runner(target: Target, chains: int) -> Callable[[Array, Array], Draws]:
    """Compile runs one after the other, from starts [run, chain, dim] and keys [run]."""
    options = Options()
    sampler = make_sampler(options.plan(NUM_WARMUP, target.dim))
    groups = make_groups(chains, options.group_size, np.zeros(chains))
    evaluate = Plain(jax.vmap(jax.value_and_grad(target.potential)))

    def run(position: Array, key: Array) -> Draws:
        state = state_at(evaluate, position)
        learnt = warmup.start(sampler, state, options.step_size, jnp.eye(target.dim))

        def iterate(carry: tuple, iteration: Array) -> tuple[tuple, tuple]:
            state, learnt, key = carry
            key, own = jax.random.split(key)
            draws = draw(own, chains, target.dim, position.dtype)
            state, learnt, info, _ = step(
                sampler, groups, state, learnt, iteration, draws, evaluate, JAX
            )
            return (state, learnt, key), (state.position, state.potential_energy, info.mode)

        numbers = jnp.arange(NUM_WARMUP + NUM_SAMPLES)
        (_, learnt, _), told = jax.lax.scan(iterate, (state, learnt, key), numbers)
        kept = [each[NUM_WARMUP:] for each in told]
        return Draws(*kept, report(sampler, learnt).mode_mass)

    return jax.jit(lambda positions, keys: jax.lax.map(lambda each: run(*each), (positions, keys)))


def evidence(target: Target, draws: Draws, group_size: int, seed: int) -> Evidence:
    """What `fhl_ppl.log_evidence` would say of a run."""
    position, energy, mode = (np.swapaxes(np.asarray(each), 0, 1) for each in draws[:3])
    energies = jax.jit(jax.vmap(target.potential))
    statistics = xarray.Dataset(
        {"mode": (("chain", "draw"), mode)}, attrs={"mode_masses": np.asarray(draws.masses)}
    )
    return estimate(
        Density(position, lambda rows: energies(jnp.asarray(rows))),
        energy,
        mode,
        np.arange(len(position)) // group_size,
        NUM_PROPOSALS,
        seed,
        tuple(filter(None, [lost_modes(statistics)])),
    )


def row(found: list[Evidence], truth: float) -> str:
    """Cells of a table."""
    value, error = np.array([(each.value, each.error) for each in found]).T
    warned = np.array([len(each.warnings) > 0 for each in found])
    z = (value - truth) / error
    quiet = (np.abs(z) > 5) & (np.abs(value - truth) > 0.2) & ~warned
    cells = [
        f"{truth}",
        f"{value.mean():.4f}",
        f"{error.mean():.4f}",
        f"{z.mean():.2f}",
        f"{z.std(ddof=1):.2f}" if len(z) > 1 else "",
        f"{np.abs(value - truth).mean():.4f}",
        f"{warned.mean():.0%}",
        f"{quiet.sum()}",
    ]
    return " | ".join(cells)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--chains", type=int, default=16)
    parser.add_argument("--targets", nargs="+", default=list(TARGETS), choices=TARGETS)
    parser.add_argument("--tell", action="store_true", help="print the warnings of each run too")
    given = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    print("| target | log Z | found | error | mean z | sd of z | off by | warned | quietly wrong |")
    print("|" + "---|" * 9)
    for name in given.targets:
        target, begin = TARGETS[name], time.perf_counter()
        rng = np.random.default_rng(5)
        starts = jnp.asarray(rng.uniform(-2, 2, (given.runs, given.chains, target.dim)))
        runs = runner(target, given.chains)(starts, jax.random.split(jax.random.key(5), given.runs))
        found = [
            evidence(target, jax.tree.map(lambda leaf, k=k: leaf[k], runs), 4, k)
            for k in range(given.runs)
        ]
        print(f"| {name} |", row(found, target.log_evidence), "|", flush=True)
        if given.tell:
            for each in found:
                print(f"  {each}")
            print(f"  {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
