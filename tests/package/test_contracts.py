"""The layer contracts bite: a forbidden import, put in on purpose, breaks one of them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import importorskip

ROOT = Path(__file__).parents[2]


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    # The copy, not the installed package, has to be the one that is found.
    env = {**os.environ, "PYTHONPATH": str(tree)}
    command = [sys.executable, "-c", code, "--no-cache"]
    return subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def tree(tmp_path):
    importorskip("importlinter")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "fhl_ppl", tmp_path / "fhl_ppl")
    return tmp_path


def test_contracts_hold(tree):
    run = lint_imports(tree)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("core/intruder.py", "jax"),
        ("core/intruder.py", "torch"),
        ("core/intruder.py", "arviz"),
        ("core/intruder.py", "fhl_ppl.numpyro"),
        ("core/intruder.py", "fhl_ppl._extras"),
        ("diagnostics/intruder.py", "jax"),
        ("diagnostics/intruder.py", "torch"),
        ("diagnostics/intruder.py", "fhl_ppl.pyro"),
        ("runs/intruder.py", "jax"),
        ("runs/intruder.py", "fhl_ppl.numpyro"),
        ("numpyro/intruder.py", "torch"),
        ("numpyro/intruder.py", "fhl_ppl.pyro"),
        ("pyro/intruder.py", "jax"),
        ("pyro/intruder.py", "fhl_ppl.numpyro"),
        ("pyro/model/intruder.py", "fhl_ppl.pyro.batching"),
        ("pyro/batching/intruder.py", "fhl_ppl.pyro.run"),
        ("numpyro/model/intruder.py", "fhl_ppl.numpyro.state"),
        ("unplaced.py", "fhl_ppl.core"),
        ("pyro/unplaced.py", "fhl_ppl.core"),
    ],
)
def test_a_forbidden_import_breaks_a_contract(tree, module, imported):
    (tree / "fhl_ppl" / module).write_text(f"import {imported}\n")
    run = lint_imports(tree)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "BROKEN" in run.stdout or "not listed" in run.stdout + run.stderr
