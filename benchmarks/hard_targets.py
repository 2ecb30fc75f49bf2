"""Where NUTS fails: two modes far apart, no gradient, a gradient of another density.

`python -m benchmarks.hard_targets` prints a table for each; figures in docs/benchmarks.md. Settings
are those that warm-up chose, nothing is given by hand but the `gradient_fn`.
"""

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

import arviz as az
import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer import AIES, HMC, MCMC, NUTS

from benchmarks.restarted import Restarted
from benchmarks.samplers.numpyro_kernels import CountingESS
from fhl_ppl.numpyro import FHL

Array = Any
LOG_ZERO = -1000.0


class Target(NamedTuple):
    """A potential, the force to use with it (None: its gradient), and where to start."""

    potential: Callable[[Array], Array]
    gradient: Callable[[Array], Array] | None
    start: Callable[[Array, int], Array]


def two_modes(dim: int) -> Target:
    """Weights .3 and .7, 6 standard deviations apart; half of the chains start in each."""
    apart = jnp.zeros(dim).at[0].set(6.0)

    def potential(q):
        near, far = jnp.sum(q**2), jnp.sum((q - apart) ** 2)
        return -jnp.logaddexp(jnp.log(0.3) - near / 2, jnp.log(0.7) - far / 2)

    def start(key, chains):
        return jax.random.normal(key, (chains, dim)) + apart * (jnp.arange(chains)[:, None] % 2)

    return Target(potential, None, start)


def no_gradient(dim: int) -> Target:
    """N(1, I) from N(0, 4 I) with a zero gradient, the paper's metastability."""
    return Target(
        lambda q: jnp.sum((q - 1) ** 2) / 2,
        jnp.zeros_like,
        lambda key, chains: 2 * jax.random.normal(key, (chains, dim)),
    )


def eight_to_four(nuisance: int) -> Target:
    """The paper's composition: gradient of 8 modes on a circle, energy of every second one."""
    dim, variance = 2 + nuisance, 0.002
    angle = jnp.arange(8) * jnp.pi / 4
    modes = jnp.zeros((8, dim)).at[:, 0].set(jnp.cos(angle)).at[:, 1].set(jnp.sin(angle))

    def all_modes(q):
        return -jax.nn.logsumexp(-jnp.sum((q - modes) ** 2, -1) / (2 * variance))

    def potential(q):
        return all_modes(q) + jnp.where(is_right(q), 0.0, -LOG_ZERO)

    def start(key, chains):
        spread = jnp.where(jnp.arange(dim) < 2, 1.0, 0.2)
        return jax.random.normal(key, (chains, dim)) * spread

    return Target(potential, jax.grad(all_modes), start)


def is_right(q: Array) -> Array:
    """Whether q lies within .2 of one of the four modes, in the plane of the circle."""
    angle = jnp.arange(0, 8, 2) * jnp.pi / 4
    modes = jnp.stack([jnp.cos(angle), jnp.sin(angle)], 1)
    return jnp.min(jnp.sum((q[:2] - modes) ** 2, -1)) < 0.04


def mode_rows(dim: int, seed: int) -> list[str]:
    """FHL beside NumPyro's kernels on two modes: error of the weight, ESS per 1000 gradients.

    Those of the draws; warm-up takes about as many again.
    """
    target, rows = two_modes(dim), []
    # The ensemble samplers need many chains.
    kernels = {
        "FHL": (FHL(potential_fn=target.potential), 4, "n_steps"),
        "NUTS": (NUTS(potential_fn=target.potential), 4, "num_steps"),
        "HMC": (HMC(potential_fn=target.potential), 4, "num_steps"),
        "AIES": (AIES(potential_fn=target.potential), 4 * dim, None),
        "ESS": (CountingESS(potential_fn=target.potential), 4 * dim, None),
    }
    for name, (kernel, chains, field) in kernels.items():
        mcmc = MCMC(
            kernel,
            num_warmup=1000,
            num_samples=1000,
            num_chains=chains,
            chain_method="vectorized",
            progress_bar=False,
        )
        fields = () if field is None else (field,)
        start = target.start(jax.random.key(100 + seed), chains)
        mcmc.run(jax.random.PRNGKey(seed), init_params=start, extra_fields=fields)
        far = np.asarray(mcmc.get_samples(group_by_chain=True))[..., 0] > 3
        cost = "" if field is None else f"{1000 * _ess(far) / _steps(mcmc, field, chains):8.2f}"
        rows.append(
            f"| {dim} | {seed} | {name} | {far.mean() - 0.7:+.3f} | {_ess(far):.0f} | {cost} |"
        )
    return rows


def _ess(indicator: np.ndarray) -> float:
    # Chains that never leave their modes have no variance within.
    if np.ptp(indicator.mean(axis=1)) == 1 or indicator.std(axis=1).max() == 0:
        return 0.0
    return float(az.ess(indicator.astype(float)))


def _steps(mcmc: MCMC, field: str, chains: int) -> float:
    steps = np.asarray(mcmc.get_extra_fields(group_by_chain=True)[field])
    # NUTS and HMC count for each chain, FHL for each particle: all the same here.
    return float(steps.sum())


def calls_until(
    fhl: Restarted, reached: Callable[[Any], bool], seed: int, limit: int = 2000
) -> int | None:
    """Evaluations until `reached`; None beyond `limit`."""
    for calls, particles in fhl.course(seed, limit):
        if reached(particles):
            return calls
    return None


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    jax.config.update("jax_enable_x64", True)

    print("| d | seed | kernel | error of the weight .7 | ESS of the mode | ESS / 1000 gradients |")
    print("|---|---|---|---|---|---|")
    for dim in (5, 20):
        for seed in seeds:
            print("\n".join(mode_rows(dim, seed)), flush=True)

    print("\nZero gradient: evaluations until the mean energy is within 10% of d / 2")
    for dim in (2, 10, 30):

        def settled(particles, dim=dim):
            return abs(float(particles.potential_energy.mean()) / (dim / 2) - 1) < 0.1

        fhl = Restarted(no_gradient(dim), 256)
        counts = [calls_until(fhl, settled, seed) for seed in seeds]
        print(f"d = {dim}: {counts}", flush=True)

    print("\n8 to 4 modes: evaluations until 98% of the particles are right")
    for nuisance in (0, 8):

        def right(particles):
            return float(jax.vmap(is_right)(particles.position).mean()) >= 0.98

        fhl = Restarted(eight_to_four(nuisance), 512)
        counts = [calls_until(fhl, right, seed) for seed in seeds]
        print(f"{nuisance} nuisance dimensions: {counts}", flush=True)


if __name__ == "__main__":
    main()
