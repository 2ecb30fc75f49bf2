"""How Pyro models are evaluated, and how fast: one row a model of the test collection.

    python benchmarks/pyro_rungs.py [--compile] [--threads 1] [NAME ...]

rung: what the evaluation settled on. climb_s: seconds until then (tracing and self-checks, 4
particles). ms_4, ms_64: one call of the batched energy and gradient. vmap_4: the same without a
record. loop_1: one particle by autograd, as Pyro's own kernels do it. Medians of single calls.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path
from statistics import median

import pyro
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fhl_ppl.pyro.batching.potential import BatchedPotential
from fhl_ppl.pyro.model.problem import problem_from_model
from tests.pyro.models import MODELS


def milliseconds(function, argument, seconds=0.3):
    function(argument)
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < seconds or len(times) < 5:
        before = time.perf_counter()
        function(argument)
        times.append(time.perf_counter() - before)
    return 1e3 * median(times)


def measure(name, jit_compile):
    pyro.set_rng_seed(0)
    problem = problem_from_model(MODELS[name], num_particles=64)
    few = problem.position[:4]

    def fresh():
        return BatchedPotential(problem.potential_fn, problem.layout, jit_compile=jit_compile)

    potential = fresh()
    before = time.perf_counter()
    potential.energy_and_gradient(few)
    climb = time.perf_counter() - before
    row = {"rung": potential.rung, "climb_s": climb}
    row["ms_4"] = milliseconds(potential.energy_and_gradient, few)
    row["ms_64"] = milliseconds(potential.energy_and_gradient, problem.position)
    ladder = potential._both
    row["vmap_4"] = float("nan")
    if potential.rung != "loop":
        try:
            row["vmap_4"] = milliseconds(ladder._vmapped, few)
        except RuntimeError:
            # Only with tensors that can be filled with parameters.
            row["vmap_4"] = milliseconds(lambda q: ladder._vmapped(q, fillable=True), few)
    with pyro.validation_enabled(False):
        row["loop_1"] = milliseconds(lambda q: ladder.quantity.plain(q.clone()), few[0])
    return row


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=sorted(MODELS))
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_default_dtype(torch.float64)
    warnings.simplefilter("ignore")
    columns = ["climb_s", "ms_4", "ms_64", "vmap_4", "loop_1"]
    print("model".ljust(28), "rung".ljust(8), *(c.rjust(8) for c in columns))
    for name in options.names:
        row = measure(name, options.compile)
        print(
            name.ljust(28), row["rung"].ljust(8), *(f"{row[c]:8.3f}" for c in columns), flush=True
        )


if __name__ == "__main__":
    main()
