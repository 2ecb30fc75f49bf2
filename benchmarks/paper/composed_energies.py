"""Figure 8: the sum of two learned energies, each trained on draws of its own density.

The paper's: two networks of 4 layers, L of 4 or 8. Here the densities are a ring (radius 1, width
.15) and an upright bar (N(0, diag(.3^2, 1))), whose product has a mode above and one below; the
networks have 4 layers of 32. Exact draws of the learned product come from a grid, so the samplers
are judged apart from the models.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.paper import measures
from benchmarks.paper.compare import Contest, compare
from benchmarks.paper.energy_models import learn
from benchmarks.paper.grid import grid_draws, grid_energy
from benchmarks.paper.methods import METHODS, TUNED, paper_grid, wide_grid
from benchmarks.paper.pictures import scatter
from benchmarks.paper.run import Problem
from benchmarks.paper.shipped import shipped_row
from benchmarks.paper.tables import Result, Table

NOISE = 0.1
NAMES = tuple(name for name in METHODS if name != "random walk")
BAR = jnp.array([0.3, 1.0])
STEPS = (0.02, 0.05, 0.1, 0.2, 0.4)


def ring(key, particles):
    """Draws of the ring."""
    angle, noise = jax.random.split(key)
    turn = jax.random.uniform(angle, (particles, 1), maxval=2 * jnp.pi)
    circle = jnp.concatenate([jnp.cos(turn), jnp.sin(turn)], 1)
    return circle + 0.15 * jax.random.normal(noise, (particles, 2))


def bar(key, particles):
    """Draws of the bar."""
    return BAR * jax.random.normal(key, (particles, 2))


def true_product(q):
    """-log of the product of both densities, without the noise of training."""
    r, s = jnp.sqrt(jnp.sum(q**2)), 0.15
    # The ring is a circle smeared with a Gaussian: a Bessel function, scaled against overflow.
    on_ring = (r - 1) ** 2 / (2 * s**2) - jnp.log(jax.scipy.special.i0e(r / s**2))
    return on_ring + jnp.sum((q / BAR) ** 2) / 2


def level_of(potential, share=0.99):
    """The energy below which `share` of the density lies."""
    energy = np.sort(np.asarray(grid_energy(potential)[0]))
    mass = np.cumsum(np.exp(energy[0] - energy))
    return float(energy[np.searchsorted(mass, share * mass[-1])])


def contest(quick: bool) -> Contest:
    """Judged by sliced W2 and the share outside of the region of 99%, of the learned product."""
    models = [
        learn(draw, seed, NOISE, 32, 4, 300 if quick else 4000)
        for seed, draw in enumerate((ring, bar))
    ]

    def potential(q):
        return models[0](q) + models[1](q)

    problem = Problem(
        potential, None, lambda key, n: jax.random.normal(key, (n, 2)), grid_draws(potential)
    )
    level = level_of(potential)

    def measure(course, seed):
        return {
            "sliced W2": measures.to_exact(problem, course.position, seed),
            "outside of 99% (.01)": float(np.mean(course.energy > level)),
        }

    def cost(course, seed):
        return measures.to_exact(problem, course.position, seed)

    return Contest(problem, 128, 100 if quick else 400, measure, cost)


def run(seeds: list[int], quick: bool) -> Result:
    """At the paper's steps, tuned, and as shipped, beside the models' own error."""
    game = contest(quick)
    short = partial(paper_grid, steps=(0.0005, 0.005), lengths=(4, 8))
    rows, _ = compare(game, short, seeds, "paper's", NAMES)
    wide = partial(wide_grid, steps=STEPS, lengths=(4, 8), pulls=(0.25, 1.0))
    tuned, first = compare(game, wide, seeds, "tuned", TUNED)
    rows += [*tuned, shipped_row(game, seeds, game.budget)]
    exact, truth = game.problem.exact, game.problem._replace(exact=grid_draws(true_product))
    rows.append({"steps": "", "method": "exact draws of the learned product", "setting": ""})
    rows[-1]["sliced W2"] = measures.floor(game.problem, game.particles, seeds)
    rows.append(
        {"steps": "model error", "method": "the same, to draws of the true product", "setting": ""}
    )
    rows[-1]["sliced W2"] = [
        measures.to_exact(truth, np.asarray(exact(jax.random.key(20_000 + s), game.particles)), s)
        for s in seeds
    ]
    return Result(
        [Table(f"Figure 8, T = {game.budget}", rows)],
        {"composed_energies": scatter(first, game.problem, limit=2.5)},
    )
