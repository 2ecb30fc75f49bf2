"""What stopping when it is good saves: gradients until an ESS, beside a fixed number of draws.

    python -m benchmarks.until [--posteriors eight arK ...] [--ess 400] [--chains 8] [--seed 0]

For each posterior two runs of `fhl_ppl.run`, with a warm-up of 1000 and with one that may end early
(`early_warmup=True`), and at least 1000 draws, more if the target takes more, at most 10000. The
draws of a run that is stopped are those of one that is not, so what `until=Until(ess=400)` would
have taken is read off at the look that first finds the target. Gradients are of all particles,
warm-up included. For the draws at either place: the lowest bulk ESS of any x and x^2, the largest
|z| of a mean of x and x^2 against the reference, and the largest R-hat.
"""

import argparse

import jax
from numpyro.infer import MCMC

import fhl_ppl
from benchmarks.measures import judge
from benchmarks.posteriors import gather, load, select
from benchmarks.posteriors.models import MODELS
from fhl_ppl import Until
from fhl_ppl.numpyro import FHL

FIXED = 1000
MOST = 10_000

HEADINGS = (
    *("posterior", "warm-up", "draws", "gradients", "ESS", "max abs z", "R-hat"),
    *("of 1000: gradients", "ESS", "max abs z", "R-hat", "until / full and fixed"),
)


def course(name, ess, chains, seed, early):
    """The first status that is good, and the first with the fixed draws, and all draws."""
    data, reference = load(name)
    mcmc = MCMC(
        FHL(MODELS[name](data)),
        num_warmup=FIXED,
        num_samples=FIXED,
        num_chains=chains,
        chain_method="vectorized",
        progress_bar=False,
    )
    seen = {}

    def callback(status):
        if status.quality is not None and status.quality.ess >= ess:
            seen.setdefault("good", status)
        if status.draws >= FIXED:
            seen.setdefault("fixed", status)
        return len(seen) == 2

    # Of latent sites that the reference has: predictions are deterministic sites of some models.
    sites = sorted({scalar.partition("[")[0] for scalar in reference.names})
    until = Until(ess=1e12, draws=MOST, sites=sites)
    options = {"until": until, "callback": callback, "early_warmup": early}
    fhl_ppl.run(mcmc, jax.random.key(seed), block=50, **options)
    draws = gather(mcmc.get_samples(group_by_chain=True), reference.names)
    return seen, draws, reference


def rows(name, ess, chains, seed):
    """One row for each warm-up."""
    full = None
    for early in (False, True):
        seen, draws, reference = course(name, ess, chains, seed, early)
        full = full or seen["fixed"].gradients
        cells = [name, seen["fixed"].warmup]
        for status in (seen.get("good"), seen["fixed"]):
            if status is None:
                cells += [f"above {MOST:,}", "", "", "", ""]
                continue
            found = judge(draws[:, : status.draws], reference)
            cells += [status.draws, f"{status.gradients:,.0f}"]
            cells += [f"{found['ess']:.0f}", f"{found['z']:.1f}", f"{found['rhat']:.3f}"]
        # The second number of draws is known.
        del cells[7]
        ratio = f"{seen['good'].gradients / full:.2f}" if "good" in seen else ""
        yield "| " + " | ".join(map(str, [*cells, ratio])) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--posteriors", nargs="*", default=(), help="parts of their names")
    parser.add_argument("--ess", type=float, default=400)
    parser.add_argument("--chains", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print("| " + " | ".join(HEADINGS) + " |")
    print("|---" * len(HEADINGS) + "|")
    for name in select(options.posteriors):
        for row in rows(name, options.ess, options.chains, options.seed):
            print(row, flush=True)


if __name__ == "__main__":
    main()
