"""Every table and figure of docs/paper.md.

    python -m benchmarks.paper [--only metastability noise] [--seeds 5] [--quick] [--out out/paper]

writes `results.json` (versions, seeds, figures of every seed), `results.md` and pictures. A second
call replaces the experiments that it runs and keeps the others. `--quick` is to see that all of it
works: its figures mean nothing.
"""

import argparse
import json
import time
from importlib import import_module
from pathlib import Path

from benchmarks.one import installed
from benchmarks.paper.tables import Result, Table
from benchmarks.peers import source, write

EXPERIMENTS = {
    "instability": "4a",
    "learned": "4b",
    "metastability": "5",
    "pseudo_stability": "6",
    "composed_energies": "8",
    "two_particles": "11 and 12",
    "eight_to_four": "13",
    "digits": "14",
    "theorem": "Theorem 1",
    "noise": "noise sweep",
}
"""Module of this package, and the paper's figure."""
LIBRARIES = ("fhl-ppl", "numpyro", "jax", "jaxlib", "numpy", "optax", "scikit-learn")


def parse(arguments, package, experiments, description):
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="*", default=tuple(experiments), choices=experiments)
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--first", type=int, default=0, help="seed, for more beside earlier ones")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(f"out/{package}"))
    return parser.parse_args(arguments)


def record(result: Result, seeds: list[int], quick: bool, seconds: float) -> dict:
    return {
        "source": source(),
        "versions": {name: installed(name) for name in LIBRARIES},
        "seeds": seeds,
        "quick": quick,
        "cpu_seconds": seconds,
        "tables": [table._asdict() for table in result.tables],
    }


def main(arguments=None, package="paper", experiments=EXPERIMENTS, description=__doc__):
    """Run the experiments of a package, each a module with `run(seeds, quick)`."""
    options = parse(arguments, package, experiments, description)
    seeds = list(range(options.first, options.first + options.seeds))
    path = options.out / "results.json"
    done = json.loads(path.read_text()) if path.exists() else {}
    for name in options.only:
        began = time.process_time()
        result = import_module(f"benchmarks.{package}.{name}").run(seeds, options.quick)
        seconds = time.process_time() - began
        options.out.mkdir(parents=True, exist_ok=True)
        for picture, figure in result.pictures.items():
            figure.savefig(options.out / f"{picture}.png", dpi=100)
        done[name] = record(result, seeds, options.quick, seconds)
        write(path, json.dumps(done, indent=1, default=float))
        print(f"# {name}, {seconds:.0f} s of CPU time\n", flush=True)
        print(markdown(done[name]), flush=True)
    parts = [
        f"## {name} ({experiments[name]})\n\n{markdown(done[name])}"
        for name in experiments
        if name in done
    ]
    write(path.with_suffix(".md"), "\n".join(parts))


def markdown(recorded: dict) -> str:
    return "\n".join(Table(**table).markdown() for table in recorded["tables"])


if __name__ == "__main__":
    main()
