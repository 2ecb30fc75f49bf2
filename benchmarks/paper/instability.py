"""Figure 4a, instability: a Gaussian around an image, with its true energy and gradient.

The paper's: N(mu, diag(v)), mu an image of 784 pixels, v uniform on [.25, 1.25], T = 1000; it shows
the particle of the lowest energy. Here mu is a digit of scikit-learn's, enlarged, there are 16
particles from N(0, I), and the picture has the mean energy beside it.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from benchmarks.paper import measures
from benchmarks.paper.compare import Contest, compare
from benchmarks.paper.methods import METHODS, TUNED, paper_grid, wide_grid
from benchmarks.paper.run import Course, Problem
from benchmarks.paper.shipped import shipped_row
from benchmarks.paper.tables import Result, Table

NAMES = tuple(name for name in METHODS if name != "random walk")
DIM = 784
SHORT_PAPER = {"steps": (0.0005, 0.005), "lengths": (4, 16)}
STEPS = (0.1, 0.2, 0.3)
LENGTHS = (1, 4)


def problem() -> tuple[Problem, np.ndarray]:
    """The Gaussian, and its variances."""
    # 8 pixels to 32, of which 28 are kept.
    image = np.kron(load_digits().images[0] / 16, np.ones((4, 4)))[2:30, 2:30].ravel()
    variance = np.random.default_rng(0).uniform(0.25, 1.25, DIM)
    mean, precision = jnp.array(image), jnp.array(1 / variance)

    def exact(key, particles):
        return mean + jax.random.normal(key, (particles, DIM)) * precision**-0.5

    def start(key, particles):
        return jax.random.normal(key, (particles, DIM))

    target = Problem(lambda q: jnp.sum((q - mean) ** 2 * precision) / 2, None, start, exact)
    return target, variance


def energy_contest(target: Problem, variance: np.ndarray, particles: int, budget: int) -> Contest:
    """Judged by mean energy and spread, for a Gaussian of these variances."""
    right = len(variance) / 2
    potential = jax.vmap(target.potential)

    def measure(course, seed):
        energy = np.asarray(potential(course.position))
        return {
            "lowest U": float(energy.min()),
            f"mean U ({right:g})": float(energy.mean()),
            "spread (1)": measures.spread(course.position, variance),
            "evaluations to ±10%": measures.settled(
                course.evaluations, course.trace, 0.9 * right, 1.1 * right
            ),
        }

    def cost(course, seed):
        found = measure(course, seed)
        reached = found["evaluations to ±10%"]
        off = abs(found[f"mean U ({right:g})"] / right - 1) + abs(found["spread (1)"] - 1)
        return reached or budget * (1 + off)

    return Contest(target, particles, budget, measure, cost)


def lowest(course: Course, seed: int) -> float:
    """What is picked by who shows the best particle."""
    return float(course.energy.min())


def exact_row(contest: Contest, seeds: list[int]) -> dict:
    """The same measures on exact draws."""
    potential, rows = jax.vmap(contest.problem.potential), []
    for seed in seeds:
        position = contest.problem.exact(jax.random.key(20_000 + seed), contest.particles)
        energy = np.asarray(potential(position))
        nothing = np.array([1])
        rows.append(
            contest.measure(Course(np.asarray(position), energy, nothing, nothing, 1.0), seed)
        )
    names = [name for name in rows[0] if "evaluations" not in name]
    return {"steps": "", "method": "exact draws", "setting": ""} | {
        name: [row[name] for row in rows] for name in names
    }


def portraits(courses: dict[str, Course], target: Problem, right: float) -> Figure:
    """The particle of the lowest energy of each method, with what all of them have on average."""
    position = np.asarray(target.exact(jax.random.key(0), 16))
    energy = np.asarray(jax.vmap(target.potential)(position))
    panels = {"exact draws": (position, energy)}
    panels |= {name: (course.position, course.energy) for name, course in courses.items()}
    figure = Figure(figsize=(1.35 * len(panels), 2.0), layout="constrained")
    for axis, (name, (position, energy)) in zip(
        figure.subplots(1, len(panels)), panels.items(), strict=True
    ):
        best = position[np.argmin(energy)]
        side = round(len(best) ** 0.5)
        axis.imshow(best.reshape(side, side), cmap="gray", vmin=-1, vmax=2)
        axis.set_axis_off()
        title = f"{name}\nlowest U {energy.min():.0f}\nmean U {energy.mean():.0f}"
        axis.set_title(title, fontsize=7)
    figure.suptitle(f"The best of 16 particles (right mean U: {right:g})", fontsize=8)
    return figure


def run(seeds: list[int], quick: bool) -> Result:
    """At the paper's steps, picked honestly and by the best particle; tuned; as shipped."""
    target, variance = problem()
    contest = energy_contest(target, variance, 16, 100 if quick else 1000)
    short = partial(paper_grid, **SHORT_PAPER)
    honest, first = compare(contest, short, seeds, "paper's", NAMES)
    names = ("U-HMC", "FHL joint", "U-FHL")
    picked = contest._replace(cost=lowest)
    pretty, clean = compare(picked, short, seeds, "paper's, for the lowest U", names)
    tuned, right = compare(
        contest, partial(wide_grid, steps=STEPS, lengths=LENGTHS), seeds, "tuned", TUNED
    )
    rows = [*honest, *pretty, *tuned, shipped_row(contest, seeds, 100), exact_row(contest, seeds)]
    shown = {
        "U-FHL, paper's steps": clean["U-FHL"],
        "HMC, paper's steps": first["HMC"],
        "HMC, tuned": right["HMC"],
    }
    picture = portraits(shown, target, DIM / 2)
    return Result([Table("Figure 4a, d = 784, T = 1000", rows)], {"instability": picture})
