"""Compare the compiled iteration of two commits: `python -m benchmarks.program OLD [NEW]`.

NEW is the working tree if it is left out. The first table counts, for one iteration of the NumPyro
kernel, the copies of the model's gradient and of its energy in the program, the lines of its jaxpr,
and how often the model's Python code ran until there. The second gives CPU seconds: of `init`, of
compiling an iteration, and of 200 + 200 iterations of 16 chains, in float64 on one thread, a fresh
process each, the two commits by turns; the lowest of `--rounds`.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks import checkouts

HERE = Path(__file__).parent
POSTERIORS = (
    "eight_schools-eight_schools_noncentered",
    "ig-german_logistic",
    "garch-garch11",
    "hmm_example-hmm_example",
    "gp_pois_regr-gp_regr",
)
COUNTS = ("gradients", "energies", "lines", "traced")
TIMES = ("start", "compile", "run")


def structures(roots: Sequence[Path]) -> None:
    """Print the table of counts, "old → new"."""
    print("| setting |", " | ".join(COUNTS), "|")
    print("|---|" + "---|" * len(COUNTS))
    sides = [checkouts.run(root, HERE / "structure.py").splitlines() for root in roots]
    for old, new in zip(*(map(json.loads, lines) for lines in sides), strict=True):
        print(f"| {old['setting']} |", " | ".join(f"{old[k]} → {new[k]}" for k in COUNTS), "|")


def speeds(roots: Sequence[Path], names: Sequence[str], rounds: int) -> None:
    """Print the table of seconds, "old → new (ratio)"."""
    print("| posterior |", " | ".join(TIMES), "| gradients of a chain |")
    print("|---|" + "---|" * (len(TIMES) + 1))
    for name in names:
        runs: list[list[dict]] = [[], []]
        for k in range(2 * rounds):
            side = (k + k // 2) % 2  # old, new, new, old, and so on
            runs[side].append(json.loads(checkouts.run(roots[side], HERE / "speed.py", name)))
        cells = []
        for what in TIMES:
            old, new = (min(run[what] for run in side) for side in runs)
            cells.append(f"{old:.2f} → {new:.2f} ({new / old:.2f})")
        cells.append(" → ".join(str(side[0]["gradients"]) for side in runs))
        print(f"| {name} |", " | ".join(cells), "|", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old")
    parser.add_argument("new", nargs="?")
    parser.add_argument("--rounds", type=int, default=3, help="0 leaves out the seconds")
    parser.add_argument("--posteriors", nargs="+", choices=POSTERIORS, default=POSTERIORS)
    given = parser.parse_args(arguments)
    print(" beside ".join(checkouts.named(revision) for revision in (given.old, given.new)), "\n")
    with checkouts.checkout(given.old) as old, checkouts.checkout(given.new) as new:
        structures((old, new))
        if given.rounds:
            print()
            speeds((old, new), given.posteriors, given.rounds)


if __name__ == "__main__":
    main()
