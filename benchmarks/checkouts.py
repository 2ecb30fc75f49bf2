"""Other commits of this repository, checked out for a while, and scripts run with their code."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
"""Sums do not depend on how threads share them, and CPU seconds are those of the work alone."""


def _git(repository: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repository), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


@contextmanager
def checkout(revision: str | None, repository: Path = ROOT) -> Iterator[Path]:
    """Directory with the files of a revision; of the working tree as it is with None."""
    if revision is None:
        yield repository
        return
    # First, as git would name the directory and not the revision where there is none.
    commit = _git(repository, "rev-parse", "--verify", f"{revision}^{{commit}}")
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "checkout"
        _git(repository, "worktree", "add", "--detach", str(root), commit)
        try:
            yield root
        finally:
            _git(repository, "worktree", "remove", "--force", str(root))


def named(revision: str | None, repository: Path = ROOT) -> str:
    """How a report calls a revision."""
    if revision is None:
        return "the working tree"
    return _git(repository, "rev-parse", "--short", f"{revision}^{{commit}}")


def run(root: Path, script: Path, *arguments: object, **environment: str) -> str:
    """What a script prints that imports the packages in `root`, wherever itself may lie."""
    environment = {**os.environ, **ONE_THREAD, **environment, "PYTHONPATH": str(root)}
    # -P keeps the script's own directory off the path, -B the checkout clean.
    command = [sys.executable, "-P", "-B", str(script), *map(str, arguments)]
    done = subprocess.run(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{script.name} failed in {root}, see above")
    return done.stdout
