"""Scripts with one word swapped: they run, and what is wrong shows in the table."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.swapped.table import COLUMNS, table
from tests.conftest import importorskip

ROOT = Path(__file__).parents[2]


def cells(text):
    """The only row, by column."""
    (line,) = [line for line in text.splitlines() if line.startswith(("| numpyro", "| pyro"))]
    return dict(zip(COLUMNS, (cell.strip() for cell in line.split("|")[1:-1]), strict=True))


def ran(folder, kernel, draws, **other):
    path = folder / f"{kernel}.npz"
    np.savez(path, x=draws, constant=np.ones((4, len(draws[0]))))
    run = {"backend": "numpyro", "model": "any", "kernel": kernel, "chains": 4, "source": ""}
    run |= {"draws": str(path), "gradients": 1000, "divergent": 0, "seconds": 1.0}
    return run | {"warnings": [], "rung": "", **other}


def test_wrong_means_and_spreads_show(tmp_path):
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(3, 4, 500))
    nuts = ran(tmp_path, "NUTS", draws[0])
    found = cells(table([nuts, ran(tmp_path, "FHL", draws[1])]))
    assert float(found["max abs z"]) < 4
    # What never moves in either is no mean to compare.
    assert found["of"] == "2"
    for wrong in (draws[1] + 0.3, 1.3 * draws[1]):
        assert float(cells(table([nuts, ran(tmp_path, "FHL", wrong)]))["max abs z"]) > 4.5


def test_failures_and_warnings_are_told(tmp_path):
    draws = np.random.default_rng(0).normal(size=(4, 500))
    nuts = ran(tmp_path, "NUTS", draws, warnings=["UserWarning: slow"])
    text = table([nuts, ran(tmp_path, "FHL", draws, failed="ValueError: no")])
    assert "FHL: ValueError: no" in text
    assert "- UserWarning: slow: NUTS, numpyro any" in text


@pytest.mark.parametrize(("backend", "model"), [("numpyro", "gp"), ("pyro", "baseball")])
def test_a_quick_run(backend, model, tmp_path):
    importorskip(backend)
    command = [sys.executable, "-m", "benchmarks.swapped", "--backends", backend]
    command += ["--models", model, "--quick", "--out", str(tmp_path / "swapped.json")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    rows = (tmp_path / "swapped.md").read_text().splitlines()
    rows = [row.split(" | ") for row in rows if row.startswith(f"| {backend} {model}")]
    assert len(rows) == {"numpyro": 1, "pyro": 2}[backend]
    for row in rows:
        nuts, fhl = map(float, row[COLUMNS.index("1000 gradients")].split(" / "))
        assert 0 < fhl < nuts
