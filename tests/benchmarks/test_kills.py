"""Runs that are killed have the draws of one that is let be; reduced from `benchmarks.kills`."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import importorskip

importorskip("arviz")
importorskip("zarr")

from benchmarks import kills
from tests.running.fake import FakeSampling
from tests.running.test_store import ran

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numpyro", "pyro"])
def test_a_few_kills(backend, tmp_path):
    importorskip(backend)
    command = [sys.executable, "-m", "benchmarks.kills", "--kills", "3", "--backends", backend]
    command += ["--out", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.rstrip().endswith("| yes |")


def test_other_draws_are_told(tmp_path, monkeypatch):
    """Broken on purpose: a state from which nothing but the length of the warm-up is taken."""

    def process(backend, store, kill_after=None, share=0.0):
        ran(store, draws=50 if kill_after else 100, sampling=FakeSampling())
        return 4

    def nothing(sampling, arrays):
        sampling.warmup_left = 0

    monkeypatch.setattr(kills, "process", process)
    assert kills.row("any", 2, 0, tmp_path / "right")[1]
    monkeypatch.setattr(FakeSampling, "load", nothing)
    assert not kills.row("any", 2, 0, tmp_path / "wrong")[1]
