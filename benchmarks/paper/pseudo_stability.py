"""Figure 6, pseudo-stability: the gradient of four modes, the energy of two of them.

The paper's: gradient of Q = 1/4 sum N(mu_i, I), energy of P = 1/2 [N(mu_1, I) + N(mu_2, I)], mu =
(-2, 0), (2, 0), (0, 2), (0, -2); 256 particles from N(0, 4 I), T = 200.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.paper import measures
from benchmarks.paper.compare import Contest, compare
from benchmarks.paper.methods import paper_grid, wide_grid
from benchmarks.paper.pictures import scatter
from benchmarks.paper.run import Problem
from benchmarks.paper.shipped import shipped_row
from benchmarks.paper.tables import Result, Table

MODES = jnp.array([[-2.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
STEPS = (0.1, 0.2, 0.4, 0.8, 1.2, 1.6)
BUDGET = 200


def mixture(modes, q):
    """-log of the sum of N(mode, I) at q [2], up to a constant."""
    return -jax.nn.logsumexp(-jnp.sum((q - modes) ** 2, -1) / 2)


def exact(key, particles):
    """Draws of P."""
    which, noise = jax.random.split(key)
    side = MODES[jax.random.randint(which, (particles,), 0, 2)]
    return side + jax.random.normal(noise, (particles, 2))


PROBLEM = Problem(
    partial(mixture, MODES[:2]),
    jax.grad(partial(mixture, MODES)),
    lambda key, n: 2 * jax.random.normal(key, (n, 2)),
    exact,
)


def upright(position):
    """Share of particles where the gradient has modes and the target none."""
    return float(np.mean(np.abs(position[:, 1]) > np.abs(position[:, 0])))


TRUE_SHARE = upright(np.asarray(exact(jax.random.key(0), 400_000)))


def wrong(state):
    """Share of the particles with abs(y) > abs(x), followed during a run."""
    return jnp.mean(jnp.abs(state.position[:, 1]) > jnp.abs(state.position[:, 0]))


def contest() -> Contest:
    """Judged by sliced W2 and by the share where there should be little."""

    def measure(course, seed):
        return {
            "sliced W2": measures.to_exact(PROBLEM, course.position, seed),
            f"abs(y) > abs(x) ({TRUE_SHARE:.3f})": upright(course.position),
        }

    def cost(course, seed):
        return measures.to_exact(PROBLEM, course.position, seed)

    return Contest(PROBLEM, 256, BUDGET, measure, cost, wrong)


def run(seeds: list[int], quick: bool) -> Result:
    """At the paper's steps, and with steps tuned, after all and after an eighth of the budget."""
    game = contest()
    rows, first = compare(game, paper_grid, seeds, "paper's")
    wide = partial(wide_grid, steps=STEPS)
    for budget in (BUDGET // 8, BUDGET):
        label = f"tuned, T = {budget}"
        rows += compare(game._replace(budget=budget), wide, seeds, label)[0]
        row = shipped_row(game, seeds, budget)
        rows.append(row)
    places = [np.asarray(exact(jax.random.key(20_000 + seed), game.particles)) for seed in seeds]
    rows.append(
        {
            "steps": "",
            "method": "exact draws",
            "setting": "",
            "sliced W2": measures.floor(PROBLEM, game.particles, seeds),
            f"abs(y) > abs(x) ({TRUE_SHARE:.3f})": [upright(one) for one in places],
        }
    )
    return Result([Table("Figure 6, T = 200", rows)], {"pseudo_stability": scatter(first, PROBLEM)})
