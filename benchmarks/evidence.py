"""Is the evidence right to within its error? `python -m benchmarks.evidence` prints a table.

Targets whose log Z is known from quadrature or in closed form, sampled with the defaults from
starts that know nothing (uniform on (-2, 2) in the unconstrained space). Over `--runs` runs a row
has the mean and the standard deviation of z = (estimate - truth) / error, the mean absolute error
in nats, the share of runs with a warning, and how many were quietly wrong: more than 5 errors and
.2 nats off without one. With `--temperatures` there are rows for what is told, and for the bridge
and the stepping stones that it is the better of.
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
from fhl_ppl.core.stacked import at
from fhl_ppl.core.statistics import TENSION
from fhl_ppl.core.target import Plain, state_at
from fhl_ppl.core.tempering import step as tempering
from fhl_ppl.core.tempering.path import Path
from fhl_ppl.diagnostics.against_evidence import Evidence
from fhl_ppl.diagnostics.density import Density
from fhl_ppl.diagnostics.evidence import estimate
from fhl_ppl.diagnostics.known_modes import lost_modes
from fhl_ppl.diagnostics.stones import by_stones
from fhl_ppl.numpyro.control import JAX
from fhl_ppl.numpyro.randomness import draw, draw_of_replicas
from fhl_ppl.options import Options

Array = Any

NUM_WARMUP, NUM_SAMPLES, NUM_PROPOSALS = 1000, 1000, 2000


class Target(NamedTuple):
    """A prior and a likelihood in the unconstrained space.

    Attributes
    ----------
    dim
        Number of parameters.
    prior
        The energy of a normalised prior, of one particle [dim].
    log_likelihood
        The same of its logarithm.
    log_evidence
        log Z.
    """

    dim: int
    prior: Callable[[Array], Array]
    log_likelihood: Callable[[Array], Array]
    log_evidence: float

    def potential(self, q: Array) -> Array:
        """U of one particle."""
        return self.prior(q) - self.log_likelihood(q)


def uniform(
    low: float, high: float, dim: int, log_likelihood: Callable[[Array], Array], truth: float
) -> Target:
    """A likelihood under a uniform prior, by logits and with their Jacobian."""
    return Target(
        dim,
        lambda q: -(jax.nn.log_sigmoid(q) + jax.nn.log_sigmoid(-q)).sum(),
        lambda q: log_likelihood(low + (high - low) * jax.nn.sigmoid(q)),
        truth,
    )


def gaussian(
    mean: float, dim: int, log_likelihood: Callable[[Array], Array], truth: float
) -> Target:
    """A likelihood under a prior N(mean, 1)."""

    def prior(x: Array) -> Array:
        return 0.5 * ((x - mean) ** 2).sum() + 0.5 * dim * jnp.log(2 * jnp.pi)

    return Target(dim, prior, log_likelihood, truth)


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
    "eggbox": uniform(0, 10 * np.pi, 2, eggbox, 235.85594),
    "shells, d = 2": uniform(-6, 6, 2, shells, -1.74564),
    "shells, d = 5": uniform(-6, 6, 5, shells, -5.67360),
    "shells, d = 20": uniform(-6, 6, 20, shells, -36.08655),
    "spike in slab": uniform(-5, 5, 10, spike_and_slab, -11.53388),
    "50 of 100": uniform(0, 1, 2, product, -4.97455),
    "correlated": gaussian(15, 8, correlated, -109.26492),
    "double well": gaussian(0, 1, double_well, -1.55513),
}


class Draws(NamedTuple):
    """Of one run: [draw, chain, dim], twice [draw, chain], and what its statistics say besides.

    With temperatures the tension is [draw, chain, temperature].
    """

    position: Array
    energy: Array
    mode: Array
    tension: Array | None
    attributes: dict[str, Array]


def runner(
    target: Target, chains: int, temperatures: int | None
) -> Callable[[Array, Array], Draws]:
    """Compile runs one after the other, from starts [run, chain, dim] and keys [run]."""
    options = Options(temperatures=temperatures)
    sampler = make_sampler(options.plan(NUM_WARMUP, target.dim))
    groups = make_groups(chains, options.group_size, np.zeros(chains))
    evaluate = Plain(jax.vmap(jax.value_and_grad(target.potential)))
    path = Path(evaluate, Plain(jax.vmap(jax.value_and_grad(target.prior))))
    metric = jnp.eye(target.dim)

    def start(position: Array) -> Any:
        if temperatures is None:
            state = state_at(evaluate, position)
            return state, warmup.start(sampler, state, options.step_size, metric)
        replicas = jnp.stack([position] * temperatures)
        return tempering.start(sampler, replicas, options.step_size, metric, path, JAX)

    def advance(known: Any, iteration: Array, key: Array) -> tuple[Any, tuple]:
        size = chains, target.dim, metric.dtype
        if temperatures is None:
            state, learnt, info, _ = step(
                sampler, groups, *known, iteration, draw(key, *size), evaluate, JAX
            )
            return (state, learnt), (state.position, state.potential_energy, info.mode, None)
        draws = draw_of_replicas(key, temperatures, *size)
        known, told = tempering.step(sampler, groups, known, iteration, *draws, path, JAX)
        state = at(known.particles, 0)
        return known, (state.position, state.potential_energy, told["mode"], told[TENSION])

    def run(position: Array, key: Array) -> Draws:
        def iterate(carry: tuple, iteration: Array) -> tuple[tuple, tuple]:
            known, key = carry
            key, own = jax.random.split(key)
            known, told = advance(known, iteration, own)
            return (known, key), told

        numbers = jnp.arange(NUM_WARMUP + NUM_SAMPLES)
        (known, _), told = jax.lax.scan(iterate, (start(position), key), numbers)
        kept = jax.tree.map(lambda each: each[NUM_WARMUP:], told)
        learnt = known[1] if temperatures is None else at(known.learnt, 0)
        attributes = {"mode_masses": report(sampler, learnt).mode_mass}
        if temperatures is not None:
            attributes["inverse_temperatures"] = known.ladder.beta
            attributes["round_trips"] = known.travels.round_trips
        return Draws(*kept, attributes)

    return jax.jit(lambda positions, keys: jax.lax.map(lambda each: run(*each), (positions, keys)))


def evidence(target: Target, draws: Draws, group_size: int, seed: int) -> Evidence:
    """What `fhl_ppl.log_evidence` would say of a run."""
    position, energy, mode = (np.swapaxes(np.asarray(each), 0, 1) for each in draws[:3])
    energies = jax.jit(jax.vmap(target.potential))
    statistics = {"mode": (("chain", "draw"), mode)}
    if draws.tension is not None:
        statistics[TENSION] = (("draw", "chain", "temperature"), np.asarray(draws.tension))
    attributes = {name: np.asarray(value) for name, value in draws.attributes.items()}
    told = xarray.Dataset(statistics, attrs=attributes)
    group = np.arange(len(position)) // group_size
    return estimate(
        Density(position, lambda rows: energies(jnp.asarray(rows))),
        energy,
        mode,
        group,
        NUM_PROPOSALS,
        seed,
        tuple(filter(None, [lost_modes(told)])),
        by_stones(told, group),
    )


def row(found: list[Evidence], truth: float, by: str = "best") -> str:
    """Cells of a table, of the value that is told or of that by one of the ways to it."""
    values = {
        "best": [(each.value, each.error) for each in found],
        "bridge": [each.by_bridge for each in found],
        "stones": [each.by_stones for each in found],
    }
    value, error = np.array(values[by], float).T
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
    parser.add_argument("--temperatures", type=int, help="of a tempered run; default: none")
    parser.add_argument("--tell", action="store_true", help="print the warnings of each run too")
    given = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    ways = ["best"] if given.temperatures is None else ["best", "bridge", "stones"]
    print("| target | by | log Z | found | error | mean z | sd of z | off by | warned | wrong |")
    print("|" + "---|" * 10)
    for name in given.targets:
        target, begin = TARGETS[name], time.perf_counter()
        rng = np.random.default_rng(5)
        starts = jnp.asarray(rng.uniform(-2, 2, (given.runs, given.chains, target.dim)))
        run = runner(target, given.chains, given.temperatures)
        runs = run(starts, jax.random.split(jax.random.key(5), given.runs))
        found = [
            evidence(target, jax.tree.map(lambda leaf, k=k: leaf[k], runs), 4, k)
            for k in range(given.runs)
        ]
        for way in ways:
            print(f"| {name} | {way} |", row(found, target.log_evidence, way), "|", flush=True)
        if given.tell:
            for each in found:
                print(f"  {each}")
            print(f"  {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
