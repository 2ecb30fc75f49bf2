"""Product, mixture and quotient of a ring and a bar, whose truth a grid knows.

After Du et al., "Reduce, Reuse, Recycle" (arXiv:2302.11552), who blame the sampler where such
compositions fail. The densities are known, so that no error of a model is mistaken for one of a
sampler. Each composition has two parts of unequal weight, and all start from N(0, 4 I).
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.energies import torch_peers
from benchmarks.energies.chains import TEMPERATURES, TEMPERED
from benchmarks.energies.nuts import NUTSChains
from benchmarks.paper import measures
from benchmarks.paper.compare import Contest, compare, gather
from benchmarks.paper.grid import grid_draws, grid_energy
from benchmarks.paper.methods import wide_grid
from benchmarks.paper.pictures import scatter
from benchmarks.paper.run import Course, Problem
from benchmarks.paper.shipped import shipped_courses
from benchmarks.paper.tables import Result, Table
from fhl_ppl.energies import energy, mixture

WIDTH = 0.15
STEPS = (0.05, 0.1, 0.2, 0.4)
METHODS = ("LMC", "HMC", "U-LMC", "U-HMC", "FHL joint", "U-FHL", "FHL alternate")


def ring(q):
    """A circle of radius 1 smeared with a Gaussian, normalised; q [batch, 2]."""
    r = jnp.sqrt(jnp.sum(q**2, -1))
    on_ring = (r - 1) ** 2 / (2 * WIDTH**2) - jnp.log(jax.scipy.special.i0e(r / WIDTH**2))
    return on_ring + jnp.log(2 * jnp.pi * WIDTH**2)


def bar(centre, q):
    """An upright Gaussian, normalised."""
    scale = jnp.array([0.3, 1.0])
    squares = jnp.sum(((q - jnp.array(centre)) / scale) ** 2, -1)
    return squares / 2 + jnp.log(2 * jnp.pi * jnp.prod(scale))


def upright(x, y):
    return energy(partial(bar, (x, y)), "q")


RING = energy(ring, "q")
COMPOSED = {
    "ring and bar": (RING + upright(0.0, 0.25), lambda q: q[..., 1] > 0),
    "ring or bar": (mixture([RING, upright(2.5, 0.0)], [0.3, 0.7]), lambda q: q[..., 0] > 1.6),
    "ring and not bar": (RING - 0.5 * upright(0.06, 0.0), lambda q: q[..., 0] < 0),
}
"""By name, the energy and which of its two parts a position is in."""


def afar(q):
    """The energy of the law of all starts: the reference of temperatures."""
    return jnp.sum(q**2) / 8


def contest(name: str, quick: bool) -> Contest:
    """Judged by sliced W2 as a multiple of its floor, and by the weight of a part."""
    composed, part = COMPOSED[name]
    particles, budget = (64, 40) if quick else (1000, 400)

    def potential(q):
        return composed({"q": q})

    energies, centres = (np.asarray(one) for one in grid_energy(potential))
    mass = np.exp(energies.min() - energies)
    right = mass[np.asarray(part(centres))].sum() / mass.sum()
    exact = grid_draws(potential)
    problem = Problem(potential, None, lambda key, n: 2 * jax.random.normal(key, (n, 2)), exact)
    floor = np.mean(measures.floor(problem, particles, list(range(10))))

    def measure(course, seed):
        return {
            "W2 over floor": measures.to_exact(problem, course.position, seed) / floor,
            f"weight ({right:.3f})": float(np.mean(part(course.position))),
            "mean U less exact": float(course.energy.mean() - mass @ energies / mass.sum()),
        }

    def cost(course, seed):
        return measures.to_exact(problem, course.position, seed)

    return Contest(problem, particles, budget, measure, cost)


def nuts_courses(game: Contest, seeds: list[int]) -> list[Course]:
    nuts, courses = NUTSChains(game.problem, game.particles), []
    for seed in seeds:
        for spent, position, energies in nuts.course(seed, game.budget):
            last = spent, position, energies
        spent, position, energies = last
        course = Course(np.asarray(position), np.asarray(energies), np.array([spent]), None, np.nan)
        courses.append(course)
    return courses


def run(seeds: list[int], quick: bool) -> Result:
    """All methods, tuned by seeds of their own, on each composition."""
    tables, pictures = [], {}
    for name in COMPOSED:
        game = contest(name, quick)
        wide = partial(wide_grid, steps=STEPS, lengths=(4,), pulls=(0.25, 1.0))
        rows, first = compare(game, wide, seeds, "tuned", METHODS)
        others = {
            "NUTS": nuts_courses(game, seeds),
            "FHL as shipped": shipped_courses(game, seeds, game.budget),
            TEMPERED: shipped_courses(
                game, seeds, game.budget, temperatures=TEMPERATURES, reference_fn=afar
            ),
        }
        peers = torch_peers.courses(game, STEPS, seeds)
        for method, courses in (others | peers).items():
            steps = "tuned" if method in peers else "from warm-up"
            rows.append({"steps": steps, "method": method, "setting": ""})
            rows[-1] |= gather(game.measure(*each) for each in zip(courses, seeds, strict=True))
            first[method] = courses[0]
        label = f"{name}, {game.particles} particles, T = {game.budget}"
        tables.append(Table(label, rows))
        pictures["energies_" + name.replace(" ", "_")] = scatter(first, game.problem, limit=3.6)
    return Result(tables, pictures)
