"""Figure 13, composition: the gradient of eight modes, the energy of every second one.

The paper's: pi_1 has 8 Gaussians of variance .002 on the unit circle, pi_2 is 1 within .2 of every
second one and 0 elsewhere; gradient of pi_1, energy of pi_1 pi_2; 512 particles (here 256), T =
4000. A zero has to be coded as a number for a particle to start in it: log 0 = -1000 (`LOG_ZERO`).
Started from N(0, I) in the plane.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.paper import measures
from benchmarks.paper.compare import Contest, compare
from benchmarks.paper.methods import TUNED, paper_grid, wide_grid
from benchmarks.paper.pictures import scatter
from benchmarks.paper.run import Problem
from benchmarks.paper.shipped import shipped_row
from benchmarks.paper.tables import Result, Table
from benchmarks.targets import eight_to_four, is_right

SHORT_PAPER = {"steps": (0.0005, 0.005), "lengths": (4, 16)}
STEPS = (0.03, 0.06, 0.09, 0.1, 0.2, 0.5)
"""Leapfrog is stable below 2 sigma = .0894; from there on it throws particles about."""
LENGTHS = (1, 2, 4)
BUDGET = 1000


def problem(nuisance: int) -> Problem:
    """The composition with `nuisance` more dimensions, N(0, .002) in the target."""
    dim = 2 + nuisance

    def exact(key, particles):
        which, noise = jax.random.split(key)
        angle = jax.random.randint(which, (particles,), 0, 4) * jnp.pi / 2
        centre = jnp.zeros((particles, dim))
        centre = centre.at[:, 0].set(jnp.cos(angle)).at[:, 1].set(jnp.sin(angle))
        return centre + 0.002**0.5 * jax.random.normal(noise, (particles, dim))

    return Problem(*eight_to_four(nuisance), exact)


def share_right(state) -> jax.Array:
    """Share of the particles in one of the four modes."""
    return jnp.mean(jax.vmap(is_right)(state.position))


def variation(position: np.ndarray) -> float:
    """Total variation of the weights of the eight modes from the right ones, by nearest mode."""
    nearest = np.round(np.arctan2(position[:, 1], position[:, 0]) / (np.pi / 4)).astype(int) % 8
    weight = np.bincount(nearest, minlength=8) / len(nearest)
    return float(np.abs(weight - np.array([0.25, 0.0] * 4)).sum() / 2)


def contest(nuisance: int, particles: int, budget: int) -> Contest:
    """Judged by the evaluations until 98% of the particles are right, and by the end."""
    target = problem(nuisance)

    def reached(course):
        return measures.settled(course.evaluations, course.trace, 0.98, 1.0)

    def measure(course, seed):
        return {
            "share right": float(jax.vmap(is_right)(course.position).mean()),
            "variation of weights": variation(course.position),
            "sliced W2": measures.to_exact(target, course.position, seed),
            "evaluations to 98%": reached(course),
        }

    def cost(course, seed):
        return reached(course) or budget * (2 - float(course.trace[-1]))

    return Contest(target, particles, budget, measure, cost, share_right)


def run(seeds: list[int], quick: bool) -> Result:
    """At the paper's steps; tuned with 0 and 8 nuisance dimensions; as shipped."""
    game = contest(0, 256, 400 if quick else 4000)
    rows, first = compare(game, partial(paper_grid, **SHORT_PAPER), seeds, "paper's")
    rows.append({"steps": "", "method": "exact draws", "setting": ""})
    rows[-1]["sliced W2"] = measures.floor(game.problem, game.particles, seeds)
    tables = [Table(f"Figure 13, T = {game.budget}, the paper's steps", rows)]
    for nuisance in (0,) if quick else (0, 8):
        tuned = contest(nuisance, 256 if nuisance == 0 else 128, BUDGET)
        wide = partial(wide_grid, steps=STEPS, lengths=LENGTHS, pulls=(0.5, 2.0))
        names = ("random walk", *TUNED)
        rows, _ = compare(tuned, wide, seeds, "tuned", names)
        rows.append(shipped_row(tuned, seeds, BUDGET))
        caption = f"Figure 13, {nuisance} nuisance dimensions, T = {BUDGET}, steps tuned"
        tables.append(Table(caption, rows))
    names = ("HMC", "FHL joint", "U-FHL", "FHL alternate", "random walk")
    shown = {name: first[name] for name in names}
    return Result(tables, {"eight_to_four": scatter(shown, game.problem)})
