"""CPU seconds from a fresh process's start to the first answer: FHL beside NUTS.

    python -m benchmarks.first_run [--posteriors eight hmm_ex] [--repeats 3] [--cache FOLDER]

Imports, tracing, compiling, and 200 + 200 iterations of 4 vectorized chains in float32, as a script
has them; both kernels in turns. With `--cache` JAX keeps there what it has compiled: the first run
of each fills it, and is not counted.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys

from benchmarks import posteriors

KERNELS = ("NUTS", "FHL")
MODELS = (
    "eight_schools-eight_schools_noncentered",
    "ig-german_logistic",
    "hmm_example-hmm_example",
    "gp_pois_regr-gp_regr",
    "ig-radon_mn",
)

SCRIPT = """
import sys
import jax
from numpyro.infer import MCMC
if sys.argv[1] == "NUTS":
    from numpyro.infer import NUTS as Kernel
else:
    from fhl_ppl.numpyro import FHL as Kernel
from benchmarks import posteriors
from benchmarks.posteriors.models import MODELS
name = sys.argv[2]
mcmc = MCMC(
    Kernel(MODELS[name](posteriors.load(name)[0])),
    num_warmup=200,
    num_samples=200,
    num_chains=4,
    chain_method="vectorized",
    progress_bar=False,
)
mcmc.run(jax.random.key(0))
jax.block_until_ready(mcmc.get_samples())
"""


def children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def seconds(kernel, name, settings):
    before = children()
    command = [sys.executable, "-c", SCRIPT, kernel, name]
    subprocess.run(command, check=True, env={**os.environ, **settings})
    return children() - before


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--posteriors", nargs="*", default=MODELS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cache")
    options = parser.parse_args()
    settings = {"JAX_PLATFORMS": "cpu"}
    if options.cache:
        settings |= {
            "JAX_COMPILATION_CACHE_DIR": options.cache,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
    print("| posterior | NUTS | FHL | FHL / NUTS |\n|---|---|---|---|")
    for name in posteriors.select(options.posteriors):
        found = {kernel: [] for kernel in KERNELS}
        for number in range(options.repeats + bool(options.cache)):
            for kernel in KERNELS:
                took = seconds(kernel, name, settings)
                if number or not options.cache:
                    found[kernel].append(took)
        nuts, fhl = (statistics.median(found[kernel]) for kernel in KERNELS)
        print(f"| {name} | {nuts:.1f} | {fhl:.1f} | {fhl / nuts:.2f} |", flush=True)


if __name__ == "__main__":
    main()
