"""Is a mode lost that chains started in? `python -m benchmarks.lost_modes` prints a table.

Two Gaussian modes in ten dimensions, 8 apart, half of the chains in each, 1000 + 1000 iterations
with the defaults. A row counts, over `--runs` runs, those whose estimate of the minor mode's weight
is more than 3 Monte Carlo errors off while its R-hat stays below 1.01: silent errors. "Without" is
the same sampler without the moves between modes and the archive that they are made from.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import arviz as az
import jax
import jax.numpy as jnp
import numpy as np

from fhl_ppl.core import warmup
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.sampler import make_sampler, step
from fhl_ppl.core.target import Plain, state_at
from fhl_ppl.numpyro.control import JAX
from fhl_ppl.numpyro.randomness import draw
from fhl_ppl.options import Options

Array = Any

DIM, APART = 10, 8.0
NUM_WARMUP, NUM_SAMPLES = 1000, 1000
ROWS = ((0.05, 0.5), (0.05, 1.0), (0.10, 1.0), (0.20, 1.0), (0.30, 1.0))
"""Weight and standard deviation of the minor mode."""


def potential(position: Array, weight: Array, sd: Array) -> Array:
    """U of one particle, [dim]."""
    centre = jnp.zeros(DIM).at[0].set(APART)
    major = jnp.log1p(-weight) - 0.5 * (position**2).sum()
    minor = jnp.log(weight) - 0.5 * ((position - centre) ** 2).sum() / sd**2 - DIM * jnp.log(sd)
    return -jnp.logaddexp(major, minor)


def starts(rng: np.random.Generator, chains: int, sd: float) -> np.ndarray:
    """Exact draws, every other chain in the minor mode: [chain, dim]."""
    position = rng.normal(size=(chains, DIM))
    position[::2] = position[::2] * sd + APART * np.eye(DIM)[0]
    return position


def runner(chains: int, knows_modes: bool) -> Callable[..., Array]:
    """Compile runs one after the other: (starts, keys, weight, sd) -> in the minor mode or not."""
    options = Options()
    plan = options.plan(NUM_WARMUP, DIM)
    if not knows_modes:
        names = tuple(name for name in plan.jumps if not JUMPS[name].between_modes)
        plan = plan._replace(jumps=names)
    sampler = make_sampler(plan)
    groups = make_groups(chains, options.group_size, np.zeros(chains))

    def run(position: Array, key: Array, weight: Array, sd: Array) -> Array:
        def evaluate(q: Array) -> tuple[Array, Array]:
            return jax.vmap(jax.value_and_grad(lambda row: potential(row, weight, sd)))(q)

        target = Plain(evaluate)
        state = state_at(target, position)
        learnt = warmup.start(sampler, state, options.step_size, jnp.eye(DIM))

        def iterate(carry: tuple, iteration: Array) -> tuple[tuple, Array]:
            state, learnt, key = carry
            key, own = jax.random.split(key)
            draws = draw(own, chains, DIM, position.dtype)
            state, learnt, _, _ = step(
                sampler, groups, state, learnt, iteration, draws, target, JAX
            )
            return (state, learnt, key), state.position[:, 0] > APART / 2

        numbers = jnp.arange(NUM_WARMUP + NUM_SAMPLES)
        return jax.lax.scan(iterate, (state, learnt, key), numbers)[1][NUM_WARMUP:]

    return jax.jit(
        lambda positions, keys, weight, sd: jax.lax.map(
            lambda each: run(*each, weight, sd), (positions, keys)
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--chains", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--rows", type=int, nargs="+", default=range(len(ROWS)))
    given = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    print("| weight, sd | chains | weight found | silent | without: weight found | silent |")
    print("|---|---|---|---|---|---|")
    for chains in given.chains:
        sides = [runner(chains, knows_modes) for knows_modes in (True, False)]
        for weight, sd in (ROWS[k] for k in given.rows):
            rngs = (np.random.default_rng(1000 + k) for k in range(given.runs))
            positions = jnp.asarray(np.stack([starts(rng, chains, sd) for rng in rngs]))
            keys = jax.random.split(jax.random.key(7), given.runs)
            cells = [row(np.asarray(side(positions, keys, weight, sd)), weight) for side in sides]
            print(f"| {weight}, {sd} | {chains} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
