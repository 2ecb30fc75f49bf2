"""Is a mode lost that chains started in? `python -m benchmarks.lost_modes` prints a table.

Modes that lie far apart, as many chains in each, 1000 + 1000 iterations with the defaults: two
Gaussians in ten dimensions (*two*), three in twenty (*three*), a banana and a t distribution in
five (*banana*). A row counts, over `--runs` runs, those whose estimate of the minor mode's weight
is more than 3 Monte Carlo errors off while its R-hat stays below 1.01: silent errors. "Without" is
the same sampler without the moves between modes and the archive that they are made from.
"""

import argparse
from collections.abc import Callable, Sequence
from math import lgamma, log, pi
from typing import Any, NamedTuple

import arviz as az
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from fhl_ppl.core import warmup
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.learners.chart import for_users
from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.sampler import make_sampler, step
from fhl_ppl.core.target import Plain, state_at
from fhl_ppl.numpyro.control import JAX
from fhl_ppl.numpyro.randomness import draw
from fhl_ppl.options import Options

Array = Any

NUM_WARMUP, NUM_SAMPLES = 1000, 1000
APART = 8.0
FREEDOM = 5
"""Degrees of freedom of the t distribution."""
BEND, WIDE = 0.25, 2.0
"""Of the banana: x_1 = BEND (x_0^2 - WIDE^2) + N(0, 1) with x_0 ~ N(0, WIDE^2)."""


class Family(NamedTuple):
    """Targets with a minor mode, whose weight is the first of their parameters.

    Attributes
    ----------
    dim
        Dimensions.
    energy
        U of one particle, [dim], and the parameters, each a scalar.
    begin
        Exact draws, every mode with as many: of a generator, a number and the parameters.
    is_inside
        Which of positions [particle, dim] count as in the minor mode.
    share
        What of all is there, of the weight.
    rows
        Parameters.
    """

    dim: int
    energy: Callable[..., Array]
    begin: Callable[..., np.ndarray]
    is_inside: Callable[[Array], Array]
    share: Callable[[float], float]
    rows: tuple[tuple[float, ...], ...]


def energy_of_two(position: Array, weight: Array, sd: Array) -> Array:
    centre = jnp.zeros(len(position)).at[0].set(APART)
    major = jnp.log1p(-weight) - 0.5 * (position**2).sum()
    wide = len(position) * jnp.log(sd)
    minor = jnp.log(weight) - 0.5 * ((position - centre) ** 2).sum() / sd**2 - wide
    return -jnp.logaddexp(major, minor)


def begin_in_two(rng: np.random.Generator, chains: int, weight: float, sd: float) -> np.ndarray:
    position = rng.normal(size=(chains, 10))
    position[::2] = position[::2] * sd + APART * np.eye(10)[0]
    return position


def centres_of_three(dim: int) -> np.ndarray:
    """The minor one last."""
    return APART * np.concatenate([np.zeros((1, dim)), np.eye(dim)[:2]])


def energy_of_three(position: Array, weight: Array) -> Array:
    weights = jnp.stack([2 * (1 - weight) / 3, (1 - weight) / 3, weight])
    apart = position - centres_of_three(len(position))
    return -jax.nn.logsumexp(jnp.log(weights) - 0.5 * (apart**2).sum(1))


def begin_in_three(rng: np.random.Generator, chains: int, weight: float) -> np.ndarray:
    return rng.normal(size=(chains, 20)) + centres_of_three(20)[np.arange(chains) % 3]


def energy_of_banana(position: Array, weight: Array) -> Array:
    dim = len(position)
    bent = position.at[1].add(-BEND * (position[0] ** 2 - WIDE**2)).at[0].divide(WIDE)
    major = -0.5 * (bent**2).sum() - log(WIDE) - dim * log(2 * pi) / 2
    square = (position.at[2].add(-1.5 * APART) ** 2).sum()
    const = lgamma((FREEDOM + dim) / 2) - lgamma(FREEDOM / 2) - dim * log(FREEDOM * pi) / 2
    minor = const - (FREEDOM + dim) / 2 * jnp.log1p(square / FREEDOM)
    return -jnp.logaddexp(jnp.log1p(-weight) + major, jnp.log(weight) + minor)


def begin_in_banana(rng: np.random.Generator, chains: int, weight: float) -> np.ndarray:
    position = rng.normal(size=(chains, 5))
    minor = position[::2] / np.sqrt(rng.chisquare(FREEDOM, (len(position[::2]), 1)) / FREEDOM)
    position[:, 0] *= WIDE
    position[:, 1] += BEND * (position[:, 0] ** 2 - WIDE**2)
    minor[:, 2] += 1.5 * APART
    position[::2] = minor
    return position


def share_of_banana(weight: float) -> float:
    """Also the tails of either that reach beyond the middle."""
    half = 0.75 * APART
    return weight * stats.t.cdf(half, FREEDOM) + (1 - weight) * stats.norm.sf(half)


FAMILIES = {
    "two": Family(
        10,
        energy_of_two,
        begin_in_two,
        lambda position: position[:, 0] > APART / 2,
        float,
        ((0.05, 0.5), (0.05, 1.0), (0.10, 1.0), (0.20, 1.0), (0.30, 1.0)),
    ),
    "three": Family(
        20,
        energy_of_three,
        begin_in_three,
        lambda position: (position[:, 1] > APART / 2) & (position[:, 1] > position[:, 0]),
        float,
        ((0.05,), (0.20,)),
    ),
    "banana": Family(
        5,
        energy_of_banana,
        begin_in_banana,
        lambda position: position[:, 2] > 0.75 * APART,
        share_of_banana,
        ((0.05,), (0.20,)),
    ),
}


def runner(family: Family, chains: int, knows_modes: bool) -> Callable[..., Array]:
    """Compile runs one after the other: (starts, keys, parameters) -> in the minor mode or not."""
    options, dim = Options(), family.dim
    plan = options.plan(NUM_WARMUP, dim)
    if not knows_modes:
        names = tuple(name for name in plan.jumps if not JUMPS[name].between_modes)
        plan = plan._replace(jumps=names)
    sampler = make_sampler(plan)
    groups = make_groups(chains, options.group_size, np.zeros(chains))

    def run(parameters: tuple[Array, ...], position: Array, key: Array) -> Array:
        def evaluate(q: Array) -> tuple[Array, Array]:
            return jax.vmap(jax.value_and_grad(lambda row: family.energy(row, *parameters)))(q)

        target = Plain(evaluate)
        state = state_at(target, position)
        learnt = warmup.start(sampler, state, options.step_size, jnp.eye(dim))

        def iterate(carry: tuple, iteration: Array) -> tuple[tuple, Array]:
            state, learnt, key = carry
            key, own = jax.random.split(key)
            draws = draw(own, chains, dim, position.dtype)
            state, learnt, _, _ = step(
                sampler, groups, state, learnt, iteration, draws, target, JAX
            )
            place = for_users(learnt, state, JAX)
            return (state, learnt, key), family.is_inside(place.position)

        numbers = jnp.arange(NUM_WARMUP + NUM_SAMPLES)
        return jax.lax.scan(iterate, (state, learnt, key), numbers)[1][NUM_WARMUP:]

    return jax.jit(
        lambda positions, keys, parameters: jax.lax.map(
            lambda each: run(parameters, *each), (positions, keys)
        )
    )


def row(visits: np.ndarray, weight: float) -> str:
    """Cells of a table, from visits [run, draw, chain]."""
    means, silent = [], 0
    for each in visits:
        inside = each.T.astype(float)
        moves = inside.std() > 0
        error = inside.std() / max(float(az.ess(inside, method="mean")), 1.0) ** 0.5 if moves else 0
        r_hat = float(az.rhat(inside)) if moves else 1.0
        off = abs(inside.mean() - weight)
        silent += off > 3 * error and r_hat < 1.01
        means.append(inside.mean())
    spread = np.std(means, ddof=1) / len(means) ** 0.5
    return f"{np.mean(means):.3f} ± {spread:.3f} | {silent / len(visits):.0%}"


def rows(
    runs: int, family: Family, chains: int, parameters: tuple[float, ...], sides: Sequence[Any]
) -> list[str]:
    """What each side finds from the same starts."""
    rngs = (np.random.default_rng(1000 + k) for k in range(runs))
    positions = jnp.asarray(np.stack([family.begin(rng, chains, *parameters) for rng in rngs]))
    keys, share = jax.random.split(jax.random.key(7), runs), family.share(parameters[0])
    return [row(np.asarray(side(positions, keys, parameters)), share) for side in sides]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--chains", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    given = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    print("| modes | weight, sd | chains | weight found | silent | without: found | silent |")
    print("|---|---|---|---|---|---|---|")
    for name, family in ((name, FAMILIES[name]) for name in given.families):
        for chains in given.chains:
            sides = [runner(family, chains, knows_modes) for knows_modes in (True, False)]
            for parameters in family.rows:
                cells = rows(given.runs, family, chains, parameters, sides)
                numbers = ", ".join(map(str, parameters))
                print(f"| {name} | {numbers} | {chains} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
