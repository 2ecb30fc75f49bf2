"""Eight schools, beside NUTS
==========================

Prints the ArviZ summary of both, their cost side by side, and draws both posteriors.
Data: Rubin, "Estimation in Parallel Randomized Experiments", 1981.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import arviz as az
import jax
import matplotlib.pyplot as plt
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
from jax import random
from numpyro.infer import MCMC, NUTS

from fhl_ppl.numpyro import FHL

SCHOOLS = ["Choate", "Deerfield", "Phillips Andover", "Phillips Exeter"]
SCHOOLS += ["Hotchkiss", "Lawrenceville", "St. Paul's", "Mt. Hermon"]
EFFECT = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
STANDARD_ERROR = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
NUM_CHAINS = 8  # two groups, so that each has another to be compared with
COLOURS = {"FHL": "tab:orange", "NUTS": "tab:blue"}


def model(standard_error, effect=None):
    mu = numpyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = numpyro.sample("tau", dist.HalfCauchy(5.0))
    with numpyro.plate("school", len(standard_error)):
        # Non-centred: the sampler sees independent standard normals instead of a funnel.
        offset = numpyro.sample("offset", dist.Normal(0.0, 1.0))
        theta = numpyro.deterministic("theta", mu + tau * offset)
        numpyro.sample("obs", dist.Normal(theta, standard_error), obs=effect)


@dataclass
class Run:
    """Draws of one kernel, and what they cost."""

    samples: dict[str, np.ndarray]
    summary: pd.DataFrame
    warmup_gradients: int
    sampling_gradients: int
    seconds: float

    def cost(self) -> dict[str, str]:
        min_ess = self.summary[["ess_bulk", "ess_tail"]].to_numpy().min()
        gradients = self.warmup_gradients + self.sampling_gradients
        return {
            "min ESS": f"{min_ess:.0f}",
            "max R-hat": f"{self.summary['r_hat'].max():.3f}",
            "gradients in warm-up": f"{self.warmup_gradients:,}",
            "gradients in sampling": f"{self.sampling_gradients:,}",
            "min ESS per 1000 gradients": f"{1000 * min_ess / gradients:.1f}",
            "seconds, compilation included": f"{self.seconds:.1f}",
        }


def count_gradients(mcmc: MCMC) -> int:
    """Leapfrog steps of the draws just collected, over all chains."""
    fields = mcmc.get_extra_fields()
    return int(np.sum(fields["n_steps"] if "n_steps" in fields else fields["num_steps"]))


def sample(kernel, extra_fields: tuple[str, ...], num_warmup: int, num_samples: int) -> Run:
    mcmc = MCMC(
        kernel,
        num_warmup=num_warmup,
        num_samples=num_samples,
        num_chains=NUM_CHAINS,
        chain_method="vectorized",
        progress_bar=sys.stderr.isatty(),
    )
    args = (STANDARD_ERROR, EFFECT)
    start = time.perf_counter()
    # `mcmc.run` alone would do; the warm-up is run by itself only to count what it costs.
    mcmc.warmup(random.key(0), *args, extra_fields=extra_fields, collect_warmup=True)
    warmup_gradients = count_gradients(mcmc)
    mcmc.run(mcmc.post_warmup_state.rng_key, *args, extra_fields=extra_fields)
    samples = {name: np.asarray(draws) for name, draws in mcmc.get_samples().items()}
    seconds = time.perf_counter() - start
    data = az.from_numpyro(mcmc, coords={"school": SCHOOLS}, dims={"theta": ["school"]})
    summary = az.summary(data, var_names=["mu", "tau", "theta"], round_to="none")
    return Run(samples, summary, warmup_gradients, count_gradients(mcmc), seconds)


def draw(runs: dict[str, Run], out: Path) -> None:
    """Every school's effect as a forest plot, and the spread between the schools."""
    fig, (forest, density) = plt.subplots(
        1, 2, figsize=(10, 4.5), width_ratios=[3, 2], layout="constrained"
    )
    rows = np.arange(len(SCHOOLS))
    bins = np.linspace(0.0, 25.0, 26)
    for (name, run), shift in zip(runs.items(), (-0.14, 0.14), strict=True):
        low, high = np.quantile(run.samples["theta"], [0.05, 0.95], axis=0)
        mean = run.samples["theta"].mean(axis=0)
        colour = COLOURS[name]
        forest.hlines(rows + shift, low, high, color=colour, linewidth=2)
        forest.plot(mean, rows + shift, "o", color=colour, label=name)
        density.hist(
            run.samples["tau"], bins, density=True, histtype="step", color=colour, linewidth=2
        )
    forest.plot(EFFECT, rows, "kx", label="observed effect")
    forest.axvline(0.0, color="0.8", zorder=0)
    forest.set_yticks(rows, SCHOOLS)
    forest.invert_yaxis()
    forest.set_xlabel("effect of coaching on the SAT score (points)")
    forest.set_title("Posterior mean and 90% interval of each school")
    forest.legend(loc="center right")
    density.set_xlabel("tau (points)")
    density.set_ylabel("posterior density")
    density.set_xlim(bins[0], bins[-1])
    density.set_title("Spread between the schools")
    out.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(out, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--num-warmup", type=int, default=1000)
    parser.add_argument("--num-samples", type=int, default=1000)
    parser.add_argument("--cache", type=Path, help="keep here what was compiled, for the next run")
    parser.add_argument("--out", type=Path, default=Path("out/eight_schools.png"))
    parser.add_argument("--smoke", action="store_true", help="few iterations, to see that it runs")
    args = parser.parse_args()
    if args.smoke:
        args.num_warmup, args.num_samples = 20, 20
    plt.switch_backend("agg")
    if args.cache:
        jax.config.update("jax_compilation_cache_dir", str(args.cache.absolute()))

    kernels = {"FHL": (FHL(model), ()), "NUTS": (NUTS(model), ("num_steps",))}
    runs = {}
    for name, (kernel, extra_fields) in kernels.items():
        runs[name] = sample(kernel, extra_fields, args.num_warmup, args.num_samples)
        print(f"\n{name}\n{runs[name].summary.round(2).to_string()}")

    costs = pd.DataFrame({name: run.cost() for name, run in runs.items()})
    print(f"\n{NUM_CHAINS} chains, {args.num_warmup} warm-up + {args.num_samples} draws each")
    print(costs.to_string())
    draw(runs, args.out)
    print(f"\nPicture: {args.out}")


if __name__ == "__main__":
    main()
