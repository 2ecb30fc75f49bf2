"""Single precision beside double, far starts in it, and a million iterations of it.

    python -m benchmarks.precision yardstick [--posteriors eight arK ...] [--seed 0]
    python -m benchmarks.precision far
    python -m benchmarks.precision long [--iterations 1000000]

*yardstick*: 4 chains, 1000 + 1000, on each posterior in either precision, each in a process of its
own: gradients, the largest R-hat, the largest |z| of a mean of x and x^2 against the reference and
of one precision against the other, by the errors of both.

*far*: a regression of 200 rows on 8 weights of order 1000, noise of .1 known, in single precision:
energies begin near 10^12. Gradients, and how many standard deviations the worst mean is off, in
NumPyro and in Pyro.

*long*: 4 chains on a Gaussian of ten dimensions with scales of .1 to 10, in single precision: the
largest |z| of a mean of x and x^2 in each tenth of the iterations, what memory grew by from the
first tenth to the end, and what was compiled in that time.
"""

import argparse
import json
import subprocess
import sys
import warnings

import numpy as np

WARMUP = DRAWS = 1000
CHAINS = 4
PRECISIONS = ("float32", "float64")


def moments(draws):
    """Means of x and x^2 of draws [chain, draw, parameter], and their squared errors."""
    from benchmarks.measures import ess

    values = np.concatenate([draws, draws**2], axis=-1)
    return values.mean((0, 1)), values.var((0, 1)) / np.maximum(ess(values, "mean"), 1)


def sampled(model, seed):
    """Draws of all sites, and gradients, of a model of NumPyro."""
    import jax
    from numpyro.infer import MCMC

    from fhl_ppl.numpyro import FHL

    options = {"num_chains": CHAINS, "chain_method": "vectorized", "progress_bar": False}
    mcmc = MCMC(FHL(model), num_warmup=WARMUP, num_samples=DRAWS, **options)
    fields = {"collect_warmup": True, "extra_fields": ("n_steps",)}
    mcmc.warmup(jax.random.PRNGKey(seed), **fields)
    gradients = mcmc.get_extra_fields()["n_steps"].sum()
    mcmc.run(mcmc.post_warmup_state.rng_key, extra_fields=("n_steps",))
    gradients += mcmc.get_extra_fields()["n_steps"].sum()
    return mcmc.get_samples(group_by_chain=True), float(gradients)


def one(name, precision, seed):
    """A posterior in one precision: prints a line of JSON."""
    import jax

    from benchmarks import measures, posteriors
    from benchmarks.posteriors.models import MODELS

    jax.config.update("jax_enable_x64", precision == "float64")
    data, reference = posteriors.load(name)
    sites, gradients = sampled(MODELS[name](data), seed)
    draws = np.asarray(posteriors.gather(sites, reference.names), np.float64)
    found = measures.judge(draws, reference) | {"gradients": gradients}
    mean, error = moments(draws)
    print(json.dumps(found | {"mean": mean.tolist(), "error": error.tolist()}, default=float))


def child(*arguments):
    command = [sys.executable, "-m", "benchmarks.precision", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def yardstick(options):
    from benchmarks.posteriors import select

    print("| posterior | gradients | R-hat | max abs z | of one against the other |")
    print("|---|---|---|---|---|")
    for name in select(options.posteriors):
        sides = [child("one", name, one, "--seed", options.seed) for one in PRECISIONS]
        mean, error = (np.array([side[key] for side in sides]) for key in ("mean", "error"))
        apart = np.max(np.abs(mean[1] - mean[0]) / np.sqrt(error.sum(0)))
        cells = [
            name,
            " / ".join(f"{side['gradients']:,.0f}" for side in sides),
            " / ".join(f"{side['rhat']:.3f}" for side in sides),
            " / ".join(f"{side['z']:.1f}" for side in sides),
            f"{apart:.1f}",
        ]
        print("| " + " | ".join(cells) + " |", flush=True)


def regression():
    """Rows, responses, and the mean and deviations of the weights, whose prior is N(0, 1000^2)."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((200, 8))
    weights = 1000 * rng.standard_normal(8)
    response = rows @ weights + 0.1 * rng.standard_normal(200)
    covariance = np.linalg.inv(rows.T @ rows / 0.01 + np.eye(8) / 1e6)
    return rows, response, covariance @ rows.T @ response / 0.01, np.sqrt(np.diag(covariance))


def in_numpyro(rows, response):
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    def model():
        weights = numpyro.sample("weights", dist.Normal(jnp.zeros(8), 1000).to_event(1))
        mean = jnp.asarray(rows, jnp.float32) @ weights
        numpyro.sample("y", dist.Normal(mean, 0.1).to_event(1), obs=jnp.asarray(response))

    sites, gradients = sampled(model, 0)
    return gradients, np.asarray(sites["weights"])


def in_pyro(rows, response):
    import pyro
    import pyro.distributions as dist
    import torch

    import fhl_ppl
    from fhl_ppl.pyro import FHL, MCMC

    rows, response = (torch.tensor(each, dtype=torch.float32) for each in (rows, response))

    def model():
        weights = pyro.sample("weights", dist.Normal(torch.zeros(8), 1000.0).to_event(1))
        pyro.sample("y", dist.Normal(rows @ weights, 0.1).to_event(1), obs=response)

    pyro.set_rng_seed(0)
    options = {"num_chains": CHAINS, "disable_progbar": True}
    mcmc = MCMC(FHL(model), num_samples=DRAWS, warmup_steps=WARMUP, **options)
    status = fhl_ppl.run(mcmc)
    return float(status.gradients), mcmc.get_samples(group_by_chain=True)["weights"].numpy()


def far(options):
    rows, response, mean, scale = regression()
    print("| library | gradients | worst mean is off by, in sd | largest ratio of deviations |")
    print("|---|---|---|---|")
    for name, run in (("numpyro", in_numpyro), ("pyro", in_pyro)):
        gradients, draws = run(rows, response)
        draws = draws.astype(np.float64)
        off = np.abs(draws.mean((0, 1)) - mean) / scale
        ratio = draws.std((0, 1)) / scale
        print(f"| {name} | {gradients:,.0f} | {off.max():.2f} | {ratio.max():.2f} |", flush=True)


def long(options):
    import jax
    import jax.numpy as jnp
    from jax import lax, random

    from benchmarks.long_store import rss
    from fhl_ppl.numpyro import FHL

    scale = jnp.logspace(-1, 1, 10)

    def energy(z):
        return jnp.sum((z / scale) ** 2) / 2

    kernel = FHL(potential_fn=energy)
    starts = random.normal(random.key(1), (CHAINS, 10))
    state = kernel.init(random.split(random.key(0), CHAINS), WARMUP, starts, (), {})
    step = jax.jit(
        lambda state: lax.fori_loop(0, WARMUP, lambda _, s: kernel.sample(s, (), {}), state)
    )
    state, block = step(state), options.iterations // 100

    @jax.jit
    def go(state):
        def draw(state, _):
            state = kernel.sample(state, (), {})
            return state, state.z

        return lax.scan(draw, state, length=block)

    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: compiled.append(event) if "backend_compile" in event else None
    )
    truth = np.concatenate([np.zeros(10), np.asarray(scale, np.float64) ** 2])
    worst, memory = [], []
    for _ in range(10):
        draws = []
        for _ in range(10):
            state, z = go(state)
            draws.append(np.asarray(z, np.float64).swapaxes(0, 1))
        mean, error = moments(np.concatenate(draws, axis=1))
        worst.append(np.max(np.abs(mean - truth) / np.sqrt(error)))
        memory.append(rss())
        if len(worst) == 1:
            compiled.clear()
    print("| iterations | max abs z in each tenth | memory grew by | compiled |")
    print("|---|---|---|---|")
    tenths = ", ".join(f"{each:.1f}" for each in worst)
    growth = memory[-1] / memory[0] - 1
    print(f"| {100 * block:,} | {tenths} | {growth:.2%} | {len(compiled)} programs |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_subparsers(dest="what", required=True)
    of_yardstick = what.add_parser("yardstick")
    of_yardstick.add_argument("--posteriors", nargs="*", default=(), help="parts of their names")
    of_one = what.add_parser("one", help="what the yardstick starts")
    of_one.add_argument("posterior")
    of_one.add_argument("precision", choices=PRECISIONS)
    for each in (of_yardstick, of_one):
        each.add_argument("--seed", type=int, default=0)
    what.add_parser("far")
    what.add_parser("long").add_argument("--iterations", type=int, default=1_000_000)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.what == "one":
        one(options.posterior, options.precision, options.seed)
    else:
        {"yardstick": yardstick, "far": far, "long": long}[options.what](options)


if __name__ == "__main__":
    main()
