"""Break `fhl_ppl` in one place at a time and run the tests that should see it.

`python -m benchmarks.mutants` prints a line for each fault, the score, and who survived. It works
on a copy of the repository, and takes some ten seconds a fault. `--only leader` takes faults of
files with that in their name.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.mutants.faults import FAULTS, Fault

ROOT = Path(__file__).parents[2]
PARTS = ("fhl_ppl", "tests", "benchmarks", "pyproject.toml")


def is_seen(fault: Fault, copy: Path) -> bool:
    """Whether a test fails with the fault in the `copy`, which is mended afterwards.

    Raises
    ------
    ValueError
        If the text to be changed is not there exactly once.
    """
    file = copy / "fhl_ppl" / fault.file
    right = file.read_text()
    if right.count(fault.right) != 1:
        raise ValueError(f"{fault.file} must have {fault.right!r} once; adapt the list of faults")
    tests = [f"tests/{each}" for each in fault.tests.split()]
    file.write_text(right.replace(fault.right, fault.wrong))
    try:
        return run(copy, tests) != 0
    finally:
        file.write_text(right)


def run(copy: Path, tests: list[str]) -> int:
    """Return pytest's exit status."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    # A file that was written twice in a second must not be taken for the one before.
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, check=False)
    return done.returncode


def main() -> None:
    """Run all faults, or those that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="part of the names of the files to break")
    only = parser.parse_args().only
    faults = [fault for fault in FAULTS if only in fault.file]
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, copy / part, ignore=ignored)
            else:
                shutil.copy(source, copy / part)
        for fault in faults:
            seen = is_seen(fault, copy)
            name = f"{fault.file}: {fault.right!r} -> {fault.wrong!r}"
            print(f"{'seen    ' if seen else 'SURVIVED'}  {name}", flush=True)
            if not seen:
                survivors.append(name)
    print(f"{len(faults) - len(survivors)} of {len(faults)} seen")


if __name__ == "__main__":
    main()
