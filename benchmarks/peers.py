"""FHL beside its peers on posteriors with known moments: one table, with ratios.

    python -m benchmarks.peers [--posteriors arK eight] [--samplers fhl numpyro_nuts] [--seeds 0 1]
        [--protocols standard] [--platform gpu] [--limit 600] [--out out/peers.json]

Without arguments: everything. Every run has a process of its own and at most `limit` CPU seconds.
Results are added to the JSON file as they come, and runs that it holds are not repeated, so an
interrupted command can be given again. The table goes next to it, as Markdown. docs/benchmarks.md
says what the protocols and columns are.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

from benchmarks.posteriors import select
from benchmarks.protocols import PROTOCOLS
from benchmarks.samplers import MODULES
from benchmarks.table import table

ROOT = Path(__file__).resolve().parent.parent
IDENTITY = ("protocol", "posterior", "sampler", "seed", "platform")


def source():
    """Commit of this repository, with a mark if files have been changed since."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def environment(platform):
    """One thread, unless the caller asks for more: else CPU time depends on the machine."""
    single = {"OMP_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
    return single | dict(os.environ) | {"JAX_PLATFORMS": "cuda" if platform == "gpu" else "cpu"}


def failure(process, limit):
    if process.returncode == -signal.SIGXCPU:
        return f"did not finish in {limit} s of CPU time"
    lines = process.stderr.strip().splitlines() or [f"exit status {process.returncode}"]
    # JAX follows the error with a note on its traceback.
    errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Interrupt)\b", line)]
    return (errors or lines)[-1][:300]


def execute(job, limit, module="benchmarks.one"):
    command = [sys.executable, "-m", module]
    argument = json.dumps({**job, "limit": limit, "started": time.time()})
    try:
        process = subprocess.run(
            [*command, argument],
            cwd=ROOT,
            env=environment(job["platform"]),
            capture_output=True,
            text=True,
            check=False,
            # A process that waits spends no CPU time.
            timeout=10 * limit,
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"did not finish in {10 * limit} s"}
    if process.returncode:
        return {"failed": failure(process, limit)}
    return json.loads(process.stdout.splitlines()[-1])


def write(path, text):
    """Replace the file as a whole, so that an interruption leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(path.suffix + ".new")
    aside.write_text(text)
    aside.replace(path)


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--posteriors", nargs="*", default=(), help="parts of their names")
    parser.add_argument("--samplers", nargs="*", default=tuple(MODULES), choices=MODULES)
    parser.add_argument("--seeds", nargs="*", type=int, default=(0, 1))
    parser.add_argument("--protocols", nargs="*", default=tuple(PROTOCOLS), choices=PROTOCOLS)
    parser.add_argument("--platform", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--limit", type=int, default=600, help="CPU seconds of one run")
    parser.add_argument("--out", type=Path, default=Path("out/peers.json"))
    return parser.parse_args(arguments)


def main():
    options = parse()
    runs = json.loads(options.out.read_text())["runs"] if options.out.exists() else []
    done = {tuple(run[key] for key in IDENTITY) for run in runs}
    names = select(options.posteriors)
    jobs = product(options.protocols, names, options.samplers, options.seeds, [options.platform])
    for identity in jobs:
        if identity in done:
            continue
        job = dict(zip(IDENTITY, identity, strict=True))
        run = {**job, "source": source(), "limit": options.limit}
        run |= execute(job, options.limit)
        runs.append(run)
        write(options.out, json.dumps({"runs": runs}, indent=1))
        print(*identity, run.get("failed", "done"), flush=True)
    text = table(runs)
    write(options.out.with_suffix(".md"), text)
    print(text)


if __name__ == "__main__":
    main()
