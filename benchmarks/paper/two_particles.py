"""Figures 11 and 12: two particles, the higher pulled towards the lower, going down a valley.

The paper's: U = x1^2 + .01 x2^2, pull .1, particles at (2, 2) and (-1, -3); gradient descent with
step .1, heavy ball with step .02 and momentum .9. No chance in it. Counted: iterations until the
lower of the two has U below .01, for the paper's start and for 300 uniform ones on [-3, 3]^2.
"""

import numpy as np
from matplotlib.figure import Figure

from benchmarks.paper.tables import Result, Table

SCALE = np.array([1.0, 0.01])
PAPER_START = np.array([[2.0, 2.0], [-1.0, -3.0]])
OPTIMISERS = {"gradient descent": (0.1, 0.0), "heavy ball": (0.02, 0.9)}
"""Step and momentum."""
GOAL, PULL, STARTS, LIMIT = 0.01, 0.1, 300, 5000


def energy(x):
    """U of x [..., 2]."""
    return np.sum(SCALE * x**2, -1)


def descend(start, step, momentum, pull, limit=LIMIT):
    """All of x [run, particle, 2] go down together; yields the positions after each iteration."""
    x, v = start.copy(), np.zeros_like(start)
    for _ in range(limit):
        leader = np.argmin(energy(x), -1)[:, None, None]
        force = 2 * SCALE * x + pull * (x - np.take_along_axis(x, leader, 1))
        v = momentum * v - step * force
        x = x + v
        yield x


def iterations(start, step, momentum, pull):
    """Iterations until the lower particle of each run has U below the goal, [run]."""
    count = np.full(len(start), LIMIT)
    for i, x in enumerate(descend(start, step, momentum, pull)):
        there = energy(x).min(-1) < GOAL
        count[there & (count == LIMIT)] = i + 1
        if np.all(count < LIMIT):
            break
    return count


def path_picture():
    """The paths from the paper's start, with and without the pull."""
    figure = Figure(figsize=(6.4, 2.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, (name, (step, momentum)) in zip(axes, OPTIMISERS.items(), strict=True):
        for pull, colour in ((0.0, "0.6"), (PULL, "C1")):
            steps = list(descend(PAPER_START[None], step, momentum, pull, 400))
            path = np.stack([PAPER_START, *(x[0] for x in steps)])
            for particle in (0, 1):
                label = (f"pull {pull:g}" if pull else "alone") if particle == 0 else None
                axis.plot(*path[:, particle].T, color=colour, lw=1, label=label)
        axis.plot(0, 0, "k+")
        axis.set(title=name, xlabel="x1")
    axes[0].set_ylabel("x2")
    axes[0].legend(frameon=False)
    return figure


def run(seeds: list[int], quick: bool) -> Result:
    """Both optimisers, alone and with the pull; each seed has its own random starts."""
    rows = []
    for name, (step, momentum) in OPTIMISERS.items():
        paper = [int(iterations(PAPER_START[None], step, momentum, p)[0]) for p in (0.0, PULL)]
        alone, pulled = [], []
        for seed in seeds:
            start = np.random.default_rng(seed).uniform(-3, 3, (STARTS, 2, 2))
            alone.append(iterations(start, step, momentum, 0.0))
            pulled.append(iterations(start, step, momentum, PULL))
        rows.append(
            {
                "": name,
                "paper's start, alone": str(paper[0]),
                "with pull": str(paper[1]),
                f"{STARTS} random starts, alone": [float(a.mean()) for a in alone],
                "random starts, with pull": [float(p.mean()) for p in pulled],
                "share where the pull is slower": [
                    float(np.mean(p > a)) for a, p in zip(alone, pulled, strict=True)
                ],
            }
        )
    caption = f"Figures 11 and 12, iterations until U < {GOAL}"
    return Result([Table(caption, rows)], {"two_particles": path_picture()})
