"""The examples run from the command line; shortened, as their output is for people to read."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import importorskip

importorskip("numpyro")
importorskip("arviz")
importorskip("matplotlib")

EXAMPLES = Path(__file__).parents[2] / "examples"
# They run longer than they compile.
ENVIRONMENT = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "0"}


def shown(command):
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert run.returncode == 0, run.stderr
    return run


def test_eight_schools_compares_both_kernels(tmp_path):
    picture = tmp_path / "new folder" / "eight_schools.png"
    command = [sys.executable, str(EXAMPLES / "eight_schools.py"), "--out", str(picture)]
    command += ["--num-warmup", "150", "--num-samples", "100"]
    run = shown(command)
    for row in ("theta\\[Choate\\]", "tau"):
        assert len(re.findall(rf"^{row} ", run.stdout, re.MULTILINE)) == 2
    for row in ("gradients in warm-up", "gradients in sampling"):
        counts = re.search(rf"^{row} +([\d,]+) +([\d,]+)$", run.stdout, re.MULTILINE)
        assert counts is not None, run.stdout
        # Every draw of every chain costs at least one gradient.
        assert min(int(count.replace(",", "")) for count in counts.groups()) >= 400
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_climate_weighs_its_modes_as_the_grid_does(tmp_path):
    picture = tmp_path / "climate.png"
    command = [sys.executable, str(EXAMPLES / "climate.py"), "--out", str(picture)]
    command += ["--num-warmup", "500", "--num-samples", "800"]
    run = shown(command)
    snowball, stays = {}, {}
    for name in ("FHL", "NUTS"):
        row = re.search(rf"^ *{name} +([\d.]+) +[\d.]+ +(\d+)%$", run.stdout, re.MULTILINE)
        assert row is not None, run.stdout
        snowball[name], stays[name] = float(row[1]), int(row[2])
    exact = re.search(r"^ *grid +([\d.]+)$", run.stdout, re.MULTILINE)
    assert exact is not None, run.stdout
    # Some 400 effective draws: a standard error of .025, so 4 of them.
    assert abs(snowball["FHL"] - float(exact[1])) < 0.1
    # The figure that the example is for: NUTS's chains stay where they began, FHL's do not.
    assert stays["FHL"] <= 10
    assert stays["NUTS"] == 100
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_pharmacokinetics_spares_the_gradient_of_the_fine_solver(tmp_path):
    picture = tmp_path / "pharmacokinetics.png"
    command = [sys.executable, str(EXAMPLES / "pharmacokinetics.py"), "--out", str(picture)]
    command += ["--num-warmup", "50", "--num-samples", "60"]
    run = shown(command)
    row = re.search(r"^fine solves with gradient +([\d,]+) +([\d,]+)", run.stdout, re.MULTILINE)
    assert row is not None, run.stdout
    assert row[1] == "0"
    assert int(row[2].replace(",", "")) > 0
    acceptance = re.search(r"^trajectory +1\.0+ +([\d.]+)", run.stdout, re.MULTILINE)
    assert acceptance is not None, run.stdout
    # 0.29 after a full warm-up; with coarser surrogates 0.01 to 0.07 were seen.
    assert float(acceptance[1]) > 0.1
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["gaussian_process", "horseshoe", "sir", "stochastic_volatility", "two_modes"]
)
def test_example_of_the_gallery_runs(name):
    shown([sys.executable, str(EXAMPLES / f"{name}.py"), "--smoke"])
