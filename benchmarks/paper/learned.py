"""Figure 4b: the density of figure 4a with a learned energy in place of the true one.

The paper's: 784 pixels, a network of 6 layers of 256, denoising score matching, T = 2000. Here 64
pixels, 6 layers of 64 and T = 1000, so that it takes minutes. The learned density is what is
sampled; how far it is from the truth is a row of its own: long chains on it, judged by the true
energy.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits

from benchmarks.paper.compare import compare
from benchmarks.paper.energy_models import learn
from benchmarks.paper.instability import NAMES, energy_contest, exact_row, lowest
from benchmarks.paper.methods import METHODS, TUNED, Setting, paper_grid, wide_grid
from benchmarks.paper.run import Problem
from benchmarks.paper.run import run as run_all
from benchmarks.paper.shipped import shipped_row
from benchmarks.paper.tables import Result, Table

DIM = 64
NOISE = 0.2
STEPS = (0.1, 0.2, 0.4)
SHORT_PAPER = {"steps": (0.002, 0.005), "lengths": (4, 16)}


def problems(quick: bool) -> tuple[Problem, Problem, np.ndarray]:
    """The true Gaussian, the learned one, and the variances of both (with the training's noise)."""
    mean = jnp.array(load_digits().images[0].ravel() / 16)
    variance = np.random.default_rng(0).uniform(0.25, 1.25, DIM)
    smooth = variance + NOISE**2

    def around(scale):
        return lambda key, n: mean + jax.random.normal(key, (n, DIM)) * scale

    learned = learn(around(variance**0.5), 0, NOISE, 64, 6, 200 if quick else 4000)
    truth = Problem(
        lambda q: jnp.sum((q - mean) ** 2 / smooth) / 2,
        None,
        lambda key, n: jax.random.normal(key, (n, DIM)),
        around(smooth**0.5),
    )
    return truth, truth._replace(potential=learned), smooth


def run(seeds: list[int], quick: bool) -> Result:
    """As figure 4a, with energies by the true density, and the model's error as rows of its own."""
    truth, learned, variance = problems(quick)

    def true_energy(state):
        return jnp.mean(jax.vmap(truth.potential)(state.position))

    contest = energy_contest(truth, variance, 16, 200 if quick else 1000)
    by_truth = contest
    contest = contest._replace(problem=learned, watch=true_energy)
    short = partial(paper_grid, **SHORT_PAPER)
    rows, _ = compare(contest, short, seeds, "paper's", NAMES)
    picked = contest._replace(cost=lowest)
    names = ("U-HMC", "FHL joint", "U-FHL")
    rows += compare(picked, short, seeds, "paper's, for the lowest U", names)[0]
    wide = partial(wide_grid, steps=STEPS, lengths=(4, 16), pulls=(0.25, 1.0))
    quicker = contest._replace(budget=contest.budget // 4)
    rows += compare(quicker, wide, seeds, "tuned, T / 4", TUNED)[0]
    rows.append(shipped_row(contest, seeds, 200, num_warmup=300))

    # Long chains from the truth: what a perfect sampler of the learned density would show.
    from_truth = learned._replace(start=truth.exact)
    setting = Setting(0.2, 8, 0.0)
    long = run_all(from_truth, METHODS["HMC"], [setting], seeds, 16, 4000)[setting]
    measured = [contest.measure(course, seed) for course, seed in zip(long, seeds, strict=True)]
    rows.append({"steps": "model error", "method": "HMC from exact draws, T = 4000", "setting": ""})
    rows[-1] |= {
        name: [one[name] for one in measured] for name in measured[0] if "evaluations" not in name
    }
    rows.append(exact_row(by_truth, seeds))
    points = truth.exact(jax.random.key(0), 1000)
    found, right = (jax.vmap(jax.grad(one.potential))(points) for one in (learned, truth))
    error = float(jnp.sqrt(jnp.mean((found - right) ** 2) / jnp.mean(right**2)))
    caption = f"Figure 4b, d = 64, T = {contest.budget}, U of the true density; "
    caption += f"the learned gradient is off by {error:.0%} of the true one's length"
    return Result([Table(caption, rows)], {})
