"""Gradients with noise: FHL beside HMC with the same noise, and minibatches beside NUTS.

`python -m benchmarks.noisy` prints two tables; figures in docs/benchmarks.md. The first is of
N(0, I_d), its gradient with noise N(0, s^2 I) added, fresh at every evaluation. Settings of FHL are
those that warm-up chose; HMC is the same iteration with groups of one, the right metric, exact
draws to start from, and the best of a grid over step size and steps. The second is a logistic
regression on simulated rows, by the rows that an effective draw touches: an energy takes all rows,
with or without its gradient, and the gradient of a minibatch of B rows, with its control variate,
2 B.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS

from benchmarks.measures import ess
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.iteration import Tuning, iterate
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.state import Draws, State
from fhl_ppl.core.target import RandomForce
from fhl_ppl.numpyro import FHL
from fhl_ppl.numpyro.control import JAX

Array = Any

STEPS = (1, 2, 4, 8, 16, 32)
ENERGY_ERRORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""The grid of HMC: steps, and the variance of the energy error that the noise makes in them, from
which follows the step size."""


class Run(NamedTuple):
    """Draws [chain, draw, parameter] and evaluations of the force [chain, draw]."""

    draws: np.ndarray
    evaluations: np.ndarray
    accept_prob: float

    @property
    def ess(self) -> float:
        """The lowest bulk ESS of any x and x^2."""
        return float(min(ess(self.draws, "bulk").min(), ess(self.draws**2, "bulk").min()))

    @property
    def cost(self) -> float:
        """Evaluations of all chains."""
        return float(self.evaluations.sum())

    def z(self, mean: np.ndarray, second: np.ndarray) -> float:
        """Largest |z| of a mean of x and x^2."""
        largest = 0.0
        for values, truth in ((self.draws, mean), (self.draws**2, second)):
            error = np.sqrt(values.var((0, 1)) / np.maximum(ess(values, "mean"), 1))
            largest = max(largest, float(np.max(np.abs(values.mean((0, 1)) - truth) / error)))
        return largest


def run(
    kernel: Any, chains: int, warmup: int, draws: int, seed: int, *args: Any, **start: Any
) -> Run:
    """Run a kernel of one site or of a plain array."""
    field = "n_steps" if isinstance(kernel, FHL) else "num_steps"
    mcmc = MCMC(
        kernel,
        num_warmup=warmup,
        num_samples=draws,
        num_chains=chains,
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.run(jax.random.key(seed), *args, extra_fields=(field, "accept_prob"), **start)
    (sample,) = jax.tree.leaves(mcmc.get_samples(group_by_chain=True))
    extra = mcmc.get_extra_fields(group_by_chain=True)
    evaluations = np.broadcast_to(np.asarray(extra[field]), sample.shape[:2])
    return Run(np.asarray(sample), evaluations, float(extra["accept_prob"].mean()))


def gaussian_kernel(noise: float, **settings: Any) -> FHL:
    """N(0, I) with a noisy gradient; it can be any dimension."""

    def gradient(q: Array, key: Array) -> Array:
        return q + noise * jax.random.normal(key, q.shape, q.dtype)

    return FHL(
        potential_fn=lambda q: jnp.sum(q**2) / 2,
        gradient_fn=gradient,
        noisy_gradient=True,
        **settings,
    )


@partial(jax.jit, static_argnames="draws")
def hmc(key: Array, start: Array, noise: Array, step_size: Array, steps: Array, draws: int) -> Any:
    """Run HMC with noisy gradients from `start` [chain, dim]: draws, acceptance."""
    chains, dim = start.shape
    groups = make_groups(chains, 1, start)

    def potential(q: Array) -> Array:
        return jnp.sum(q**2, -1) / 2

    def iteration(state: State, key: Array) -> tuple[State, tuple[Array, Array]]:
        noise_key, normal_key, uniform_key = jax.random.split(key, 3)

        def draw(q: Array, number: Array, known: Array, is_start: Array) -> tuple[Array, Array]:
            fresh = jax.random.normal(jax.random.fold_in(noise_key, number), q.shape)
            return potential(q), q + noise * fresh

        uniform = jax.random.uniform(uniform_key, (chains,))
        draws = Draws(jax.random.normal(normal_key, (chains, dim)), uniform, uniform, uniform)
        # As FHL does: without it the length of an orbit shows in the result.
        jitter = jax.random.uniform(jax.random.fold_in(uniform_key, 1), (), minval=0.6, maxval=1.4)
        tuning = Tuning(step_size * jitter, steps, None, make_metric(jnp.ones(dim)))
        state, info = iterate(
            state, draws, tuning, groups, COUPLINGS["alternate"], RandomForce(draw), JAX
        )
        return state, (state.position, info.accept_prob)

    begin = State(start, potential(start), start)
    return jax.lax.scan(iteration, begin, jax.random.split(key, draws))[1]


def best_hmc(dim: int, noise: float, seed: int, chains: int, draws: int) -> tuple[str, Run]:
    """The best of the grid, by ESS per evaluation; it costs L + 1 of them."""
    key, start_key = jax.random.split(jax.random.key(seed))
    start = jax.random.normal(start_key, (chains, dim))
    found = {}
    for steps, error in product(STEPS, ENERGY_ERRORS):
        by_noise = (error / dim / steps) ** 0.5 / max(noise, 1e-6)
        # Where the noise allows any step, by what the integrator allows.
        step_size = min(by_noise, 0.7 * error**0.25)
        sample, accept_prob = hmc(key, start, noise, step_size, float(steps), draws)
        sample = np.swapaxes(np.asarray(sample), 0, 1)
        cost = np.full(sample.shape[:2], steps + 1)
        name = f"HMC, {steps} steps of {step_size:.2g}"
        found[name] = Run(sample, cost, float(accept_prob.mean()))
    best = max(found, key=lambda name: found[name].ess / found[name].cost)
    return best, found[best]


def noise_rows(dim: int, noise: float, seed: int, chains: int, draws: int) -> Iterator[str]:
    """FHL, FHL without jumps, and the best HMC on one noise: ESS per 1000 evaluations."""
    start = {"init_params": jax.random.normal(jax.random.key(100 + seed), (chains, dim))}

    def measured(kernel: FHL) -> Run:
        return run(kernel, chains, 500, draws, seed, **start)

    kernels = {
        "FHL": gaussian_kernel(noise),
        "FHL, no jumps": gaussian_kernel(noise, jumps=False),
    }
    runs = {name: measured(kernel) for name, kernel in kernels.items()}
    name, best = best_hmc(dim, noise, seed, chains, draws)
    runs[f"best {name}"] = best
    for name, found in runs.items():
        yield (
            f"| {dim} | {noise:g} | {name} | {found.ess:.0f} | "
            f"{1000 * found.ess / found.cost:.2f} | {found.evaluations.mean():.1f} | "
            f"{found.accept_prob:.2f} | {found.z(np.zeros(dim), np.ones(dim)):.1f} |"
        )


def simulated_rows(rows: int, dim: int, seed: int) -> tuple[Array, Array]:
    """Covariates with an intercept and outcomes of a logistic regression, a third of them 1."""
    rng = np.random.default_rng(seed)
    covariates = rng.normal(size=(rows, dim))
    covariates[:, 0] = 1.0
    logits = covariates @ np.r_[-1.0, rng.normal(size=dim - 1) / 2]
    outcome = rng.random(rows) < 1 / (1 + np.exp(-logits))
    return jnp.asarray(covariates), jnp.asarray(outcome, float)


def logistic_regression(covariates: Array, outcome: Array, batch: int | None = None) -> None:
    """With a weak prior; `batch` rows at a time."""
    dim = covariates.shape[1]
    coefficients = numpyro.sample("b", dist.Normal(0.0, 2.5).expand([dim]).to_event(1))
    with numpyro.plate("rows", len(outcome), subsample_size=batch) as index:
        logits = covariates[index] @ coefficients
        numpyro.sample("y", dist.Bernoulli(logits=logits), obs=outcome[index])


def batch_rows(
    rows: int, dim: int, share: float, seed: int, chains: int, warmup: int, draws: int
) -> Iterator[str]:
    """Minibatches beside all rows: rows that an effective draw touches."""
    data = simulated_rows(rows, dim, seed)
    batch = round(share * rows)

    def all_rows(found: Run) -> float:
        return rows * found.cost

    def some_rows(found: Run) -> float:
        # Every iteration ends in one energy of all rows.
        return rows * found.evaluations.size + 2 * batch * found.cost

    kernels: dict[str, tuple[Any, tuple, Callable[[Run], float]]] = {
        "FHL, minibatch": (FHL(logistic_regression, minibatch=True), (*data, batch), some_rows),
        "FHL": (FHL(logistic_regression), data, all_rows),
        "NUTS": (NUTS(logistic_regression), data, all_rows),
    }
    mean, sd = laplace(*data)
    for name, (kernel, args, count) in kernels.items():
        found = run(kernel, chains, warmup, draws, seed, *args)
        off = np.max(np.abs(found.draws.mean((0, 1)) - mean) / sd)
        spread = found.draws.std((0, 1)) / sd
        yield (
            f"| {dim} | {name} | {found.ess:.0f} | {found.evaluations.mean():.1f} | "
            f"{found.accept_prob:.2f} | {count(found) / found.ess / rows:.2f} | {off:.3f} | "
            f"{spread.min():.3f} to {spread.max():.3f} |"
        )


def laplace(covariates: Array, outcome: Array) -> tuple[np.ndarray, np.ndarray]:
    """Mode and standard deviations; with so many rows the posterior is Gaussian to a percent."""
    x, y = np.asarray(covariates), np.asarray(outcome)
    mode = np.zeros(x.shape[1])
    for _ in range(20):
        chance = 1 / (1 + np.exp(-x @ mode))
        hessian = (x * (chance * (1 - chance))[:, None]).T @ x + np.eye(len(mode)) / 2.5**2
        mode = mode - np.linalg.solve(hessian, x.T @ (chance - y) + mode / 2.5**2)
    return mode, np.sqrt(np.diag(np.linalg.inv(hessian)))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("noise", "minibatch"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dims", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--noises", type=float, nargs="+", default=[0, 1, 3, 10, 30])
    parser.add_argument("--draws", type=int, default=3000)
    parser.add_argument("--rows", type=int, default=100_000)
    given = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    if given.only != "minibatch":
        print("| d | s | kernel | ESS | ESS / 1000 evaluations | a draw | acceptance | max z |")
        print("|---|---|---|---|---|---|---|---|")
        for dim, noise in product(given.dims, given.noises):
            for row in noise_rows(dim, noise, given.seed, 16, given.draws):
                print(row, flush=True)
    if given.only != "noise":
        print(
            "\n| d | kernel | ESS | evaluations a draw | acceptance | all rows / ESS | off | sd |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for row in batch_rows(given.rows, 10, 0.01, given.seed, chains=8, warmup=200, draws=200):
            print(row, flush=True)


if __name__ == "__main__":
    main()
