"""Compare the draws of two commits: `python -m benchmarks.same_draws OLD [NEW]`.

NEW is the working tree if it is left out. Every setting is run in both, and the table says whether
all that it recorded is identical, or where it first differs and by how much; draws are chaotic, so
that a difference of rounding in one iteration is one of order 1 some dozens later. The settings are
those of the present files, run by path with either commit's package, and use its public interface
alone. `--only PART ...` picks settings by parts of "backend setting".
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import checkouts
from benchmarks.same_draws.comparison import compare, read

HERE = Path(__file__).parent
BACKENDS = ("core", "numpyro", "pyro")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 if something differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old")
    parser.add_argument("new", nargs="?")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS)
    parser.add_argument("--only", nargs="+", default=(), metavar="PART")
    parser.add_argument("--keep", type=Path, help="directory for the recorded arrays")
    given = parser.parse_args(arguments)
    print(f"{checkouts.named(given.old)} beside {checkouts.named(given.new)}\n")
    print("| backend | setting | recorded |\n|---|---|---|")
    is_same = True
    with (
        tempfile.TemporaryDirectory() as scratch,
        checkouts.checkout(given.old) as old,
        checkouts.checkout(given.new) as new,
    ):
        for backend in given.backends:
            sides = []
            for side, root in (("old", old), ("new", new)):
                directory = (given.keep or Path(scratch)).resolve() / side / backend
                directory.mkdir(parents=True, exist_ok=True)
                checkouts.run(root, HERE / "recorder.py", backend, directory, *given.only)
                sides.append(read(directory))
            for setting in sorted(sides[0].keys() | sides[1].keys()):
                result = compare(*(side.get(setting) for side in sides))
                is_same &= result == "identical"
                print(f"| {backend} | {setting} | {result} |", flush=True)
    return 0 if is_same else 1


if __name__ == "__main__":
    raise SystemExit(main())
