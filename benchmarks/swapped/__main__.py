"""The libraries' own kinds of models by NUTS, and by FHL with one word swapped.

    python -m benchmarks.swapped [--backends numpyro pyro] [--models lkj gp] [--seed 0] [--quick]
        [--limit 1800] [--out out/swapped.json]

Each script has a process of its own. NumPyro's have 4 vectorized chains of 500 + 500, in float32
unless the example asks for more; Pyro's one chain, of FHL also 4, which a user would have to ask
for. Results go to a JSON file as they come, and runs that it holds are not repeated; the table goes
next to it, as Markdown. `--quick` is for a look whether all runs: 50 + 50.
"""

import argparse
import json
from pathlib import Path

from benchmarks.peers import execute, source, write
from benchmarks.swapped.table import table

MODELS = {
    "numpyro": (
        *("baseball", "bnn", "ucbadmit", "horseshoe_regression", "hmm_enum", "gp"),
        *("stochastic_volatility", "sparse_regression", "ode"),
    ),
    "pyro": ("baseball", "eight_schools", "hmm", "lkj"),
}
RUNS = {
    "numpyro": (("NUTS", 4), ("FHL", 4)),
    "pyro": (("NUTS", 1), ("FHL", 1), ("FHL", 4)),
}
IDENTITY = ("backend", "model", "kernel", "chains", "seed", "warmup", "draws_per_chain")


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--backends", nargs="*", default=tuple(MODELS), choices=MODELS)
    every = sorted({name for names in MODELS.values() for name in names})
    parser.add_argument("--models", nargs="*", default=every, choices=every)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--limit", type=int, default=1800, help="CPU seconds of one script")
    parser.add_argument("--out", type=Path, default=Path("out/swapped.json"))
    return parser.parse_args(arguments)


def jobs(options):
    size = 50 if options.quick else 500
    for backend in options.backends:
        for model in MODELS[backend]:
            if model in options.models:
                for kernel, chains in RUNS[backend]:
                    identity = (backend, model, kernel, chains, options.seed, size, size)
                    yield dict(zip(IDENTITY, identity, strict=True))


def main():
    options = parse()
    runs = json.loads(options.out.read_text()) if options.out.exists() else []
    asked = list(jobs(options))
    for job in asked:
        if any(all(run[key] == job[key] for key in IDENTITY) for run in runs):
            continue
        name = "-".join(str(job[key]) for key in IDENTITY)
        draws = options.out.with_suffix("") / f"{name}.npz"
        draws.parent.mkdir(parents=True, exist_ok=True)
        run = {**job, "platform": "cpu", "draws": str(draws.resolve()), "source": source()}
        run |= execute(run, options.limit, "benchmarks.swapped.one")
        runs.append(run)
        write(options.out, json.dumps(runs, indent=1))
        print(name, run.get("failed", "done"), flush=True)
    text = table([run for run in runs if any(job.items() <= run.items() for job in asked)])
    write(options.out.with_suffix(".md"), text)
    print(text)


if __name__ == "__main__":
    main()
