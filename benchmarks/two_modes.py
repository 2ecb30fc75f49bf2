"""Two modes far apart: FHL beside the kernels of NumPyro.

`python -m benchmarks.two_modes` prints a table; figures in docs/benchmarks.md.
"""

import argparse

import arviz as az
import jax
import numpy as np
from numpyro.infer import AIES, HMC, MCMC, NUTS

from benchmarks.samplers.numpyro_kernels import CountingESS
from benchmarks.targets import two_modes
from fhl_ppl.numpyro import FHL

FEWEST = {"AIES": 2, "ESS": 4}
"""Energies for a draw: AIES evaluates the proposal, and once more the point where a chain is; ESS
the height of a slice, both of its ends and a point, and more where it expands or contracts."""


def mode_rows(dim: int, seed: int) -> list[str]:
    """FHL beside NumPyro's kernels: error of the weight, ESS for 1000 gradients or energies.

    Those of the draws; warm-up takes about as many again.
    """
    target, rows = two_modes(dim), []
    # What the ensemble samplers need; with 4 chains the weight would have an error of .02 anyhow.
    chains = 4 * dim
    kernels = {
        "FHL": (FHL(potential_fn=target.potential), "n_steps"),
        "NUTS": (NUTS(potential_fn=target.potential), "num_steps"),
        "HMC": (HMC(potential_fn=target.potential), "num_steps"),
        "AIES": (AIES(potential_fn=target.potential), None),
        "ESS": (CountingESS(potential_fn=target.potential), None),
    }
    for name, (kernel, field) in kernels.items():
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
        if field is None:
            cost = FEWEST[name] * far.size
        else:
            cost = float(mcmc.get_extra_fields()[field].sum())
        rows.append(
            f"| {dim} | {seed} | {name} | {far.mean() - 0.7:+.3f} | {_ess(far):.0f} "
            f"| {1000 * _ess(far) / cost:.2f} |"
        )
    return rows


def _ess(indicator: np.ndarray) -> float:
    # Chains that never leave their modes have no variance within.
    if np.ptp(indicator.mean(axis=1)) == 1 or indicator.std(axis=1).max() == 0:
        return 0.0
    return float(az.ess(indicator.astype(float)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    jax.config.update("jax_enable_x64", True)
    print(
        "| d | seed | kernel | error of the weight .7 | ESS of the mode | ESS / 1000 evaluations |"
    )
    print("|---|---|---|---|---|---|")
    for dim in (5, 20):
        for seed in seeds:
            print("\n".join(mode_rows(dim, seed)), flush=True)


if __name__ == "__main__":
    main()
