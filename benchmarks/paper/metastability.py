"""Figure 5, metastability: N(1, I) with a zero gradient.

The paper's: d = 2, 256 particles from N(0, 4 I), T = 1000. Beside it the question that counts: how
many evaluations until the particles are right, in d = 2, 10 and 30, every method at its best step.
"""

import jax
import jax.numpy as jnp

from benchmarks.paper import measures
from benchmarks.paper.compare import Contest, compare
from benchmarks.paper.methods import METHODS, paper_grid, wide_grid
from benchmarks.paper.pictures import scatter
from benchmarks.paper.run import Problem
from benchmarks.paper.shipped import shipped_row
from benchmarks.paper.tables import Result, Table
from benchmarks.targets import no_gradient

# Without a gradient LMC is the random walk.
NAMES = tuple(name for name in METHODS if name != "random walk")
STEPS = {2: (0.1, 0.2, 0.4, 0.8, 1.2, 1.6), 10: (0.1, 0.2, 0.3, 0.4, 0.6, 0.8)}
STEPS[30] = STEPS[10]
BUDGETS = {2: 200, 10: 300, 30: 600}
PARTICLES = {2: 512, 10: 256, 30: 128}


def problem(dim: int) -> Problem:
    """N(1, I) from N(0, 4 I), both exact."""
    return Problem(*no_gradient(dim), lambda key, n: 1 + jax.random.normal(key, (n, dim)))


def contest(dim: int, particles: int, budget: int) -> Contest:
    """Judged by evaluations until the mean energy stays within 10% of d / 2, and sliced W2."""
    target, right = problem(dim), dim / 2

    def settled(course):
        return measures.settled(course.evaluations, course.trace, 0.9 * right, 1.1 * right)

    def measure(course, seed):
        return {
            "sliced W2": measures.to_exact(target, course.position, seed),
            f"mean U ({right:g})": float(course.energy.mean()),
            "spread (1)": measures.spread(course.position, jnp.ones(dim)),
            "evaluations to ±10%": settled(course),
        }

    def cost(course, seed):
        distance = measures.to_exact(target, course.position, seed)
        return settled(course) or budget * (1 + distance)

    return Contest(target, particles, budget, measure, cost)


def run(seeds: list[int], quick: bool) -> Result:
    """The paper's experiment at its steps, then evaluations at tuned steps and as shipped."""
    paper = contest(2, 256, 200 if quick else 1000)

    def distance(course, seed):
        return measures.to_exact(paper.problem, course.position, seed)

    rows, first = compare(paper._replace(cost=distance), paper_grid, seeds, "paper's", NAMES)
    floor = {"steps": "", "method": "exact draws", "setting": ""}
    floor["sliced W2"] = measures.floor(paper.problem, paper.particles, seeds)
    tables = [Table("Figure 5, d = 2, T = 1000, the paper's steps", [*rows, floor])]
    pictures = {"metastability": scatter(first, paper.problem)}

    names = ("LMC", "HMC", "FHL joint", "FHL alternate")
    for dim in (2,) if quick else (2, 10, 30):
        tuned = contest(dim, PARTICLES[dim], BUDGETS[dim])

        def grid(method, dim=dim):
            return wide_grid(method, STEPS[dim])

        rows, _ = compare(tuned, grid, seeds, "tuned", names)
        rows.append(shipped_row(tuned, seeds, limit=100))
        tables.append(Table(f"Zero gradient, d = {dim}, steps tuned", rows))
    return Result(tables, pictures)
