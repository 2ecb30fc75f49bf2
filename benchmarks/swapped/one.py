"""One script in a process of its own: prints a line of JSON, and keeps what is compared.

    python -m benchmarks.swapped.one '{"backend": "pyro", "model": "lkj", "kernel": "FHL", ...}'

`python -m benchmarks.swapped` starts it. CPU seconds are those of the process up to the last draw,
imports and compilation included.
"""

import json
import sys
import time
import warnings
from importlib import import_module

import numpy as np

from benchmarks.one import installed, limit_cpu

LIBRARIES = {"numpyro": ("numpyro", "jax"), "pyro": ("pyro-ppl", "torch")}


def run(job):
    scripts = import_module(f"benchmarks.swapped.in_{job['backend']}")
    case = scripts.CASES[job["model"]]()
    # Filters stay as they are: what a user would see.
    with warnings.catch_warnings(record=True) as caught:
        ran = scripts.run(case, job)
    seconds = time.process_time()
    compared = case.compared({name: np.asarray(values) for name, values in ran.draws.items()})
    np.savez(job["draws"], **compared)
    return {
        "seconds": seconds,
        "gradients": ran.gradients,
        "divergent": ran.divergent,
        "rung": ran.rung,
        "warnings": sorted({f"{seen.category.__name__}: {seen.message}" for seen in caught}),
        "versions": {name: installed(name) for name in LIBRARIES[job["backend"]]},
    }


def main():
    job = json.loads(sys.argv[1])
    limit_cpu(job["limit"])
    print(json.dumps(run(job), default=float))


if __name__ == "__main__":
    main()
