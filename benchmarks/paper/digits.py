"""Figure 14, the image version of figure 13: modes are images of two classes, one of them right.

The paper's: 100 coats and 100 trousers of Fashion-MNIST as Gaussian modes, gradient of all of them,
energy restricted to the coats, started at the trousers' mean. Here noughts and ones of
scikit-learn's digits, 64 pixels in [0, 1], variance .002. The paper's radius .2 of the right region
cannot be meant: in 784 dimensions draws lie 1.25 from their mode, in 64 dimensions .36. So .5.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import chi2
from sklearn.datasets import load_digits

from benchmarks.paper.compare import Contest, compare
from benchmarks.paper.instability import exact_row
from benchmarks.paper.methods import METHODS, TUNED, paper_grid, wide_grid
from benchmarks.paper.run import Problem
from benchmarks.paper.shipped import shipped_row
from benchmarks.paper.tables import Result, Table
from benchmarks.targets import LOG_ZERO

VARIANCE, RADIUS, DIM = 0.002, 0.5, 64
STEPS = (0.03, 0.06, 0.1)
SMALLEST = -300
"""Exponent below which the table shows this."""
RADII = ((2, 0.2), (64, 0.2), (64, RADIUS), (784, 0.2))


def modes() -> tuple[np.ndarray, np.ndarray]:
    """100 noughts, which are right, and 100 ones, [mode, pixel] each."""
    data = load_digits()
    return tuple(data.data[data.target == digit][:100] / 16 for digit in (0, 1))


def problem() -> Problem:
    """Gradient of 200 modes, energy of the same within the radius of a nought."""
    right, wrong = modes()
    both = jnp.array(np.concatenate([right, wrong]))
    middle = jnp.array(wrong.mean(0))

    def squares(q):
        return jnp.sum((q - both) ** 2, -1)

    def all_modes(q):
        return -jax.nn.logsumexp(-squares(q) / (2 * VARIANCE))

    def potential(q):
        inside = jnp.min(squares(q)[:100]) < RADIUS**2
        return all_modes(q) + jnp.where(inside, 0.0, -LOG_ZERO)

    def around(centre, key, particles):
        return centre + VARIANCE**0.5 * jax.random.normal(key, (particles, DIM))

    def exact(key, particles):
        which, noise = jax.random.split(key)
        return around(both[jax.random.randint(which, (particles,), 0, 100)], noise, particles)

    return Problem(potential, jax.grad(all_modes), partial(around, middle), exact)


def nearest(position):
    """Squared distance to the nearest nought, and which it is; [particle] each."""
    square = np.sum((position[:, None] - modes()[0]) ** 2, -1)
    return square.min(1), square.argmin(1)


def share_right(state):
    """Share of the particles near a nought, followed during a run."""
    return jnp.mean(state.potential_energy < -LOG_ZERO / 2)


def contest(particles: int, budget: int) -> Contest:
    """Judged by the share in the support, the modes among them, and the energy there."""

    def measure(course, seed):
        square, mode = nearest(course.position)
        inside = square < RADIUS**2
        return {
            "in the support": float(inside.mean()),
            "distinct modes": float(len(set(mode[inside]))),
            "mean U": float(course.energy.mean()),
            "distance to a nought": float(np.sqrt(square).mean()),
        }

    def cost(course, seed):
        found = measure(course, seed)
        return found["distance to a nought"] - found["in the support"]

    return Contest(problem(), particles, budget, measure, cost, share_right)


def run(seeds: list[int], quick: bool) -> Result:
    """At the paper's steps, tuned, and as shipped; and what the paper's radius would mean."""
    game = contest(16, 100 if quick else 1000)
    short = partial(paper_grid, steps=(0.002, 0.005), lengths=(4, 16))
    wide = partial(wide_grid, steps=STEPS, lengths=(4, 16), pulls=(0.25, 1.0, 2.5))
    rows = compare(game, short, seeds, "paper's", tuple(METHODS))[0]
    rows += compare(game, wide, seeds, "tuned", ("random walk", *TUNED))[0]
    rows += [shipped_row(game, seeds, game.budget), exact_row(game, seeds)]
    mass = {(d, r): chi2.logcdf(r**2 / VARIANCE, d) / np.log(10) for d, r in RADII}
    inside = [
        {
            "d": f"{dim}",
            "radius": f"{radius:g}",
            "typical distance from the mode": f"{(VARIANCE * dim) ** 0.5:.2f}",
            "log10 of a mode's mass within": f"{max(mass[dim, radius], SMALLEST):.0f}",
        }
        for dim, radius in RADII
    ]
    return Result(
        [Table(f"Figure 14, T = {game.budget}", rows), Table("The radius of figure 14", inside)], {}
    )
