"""Examples of the gallery run with few iterations, in one process: their libraries load once."""

import runpy
import sys
from pathlib import Path

import pytest

from tests.conftest import importorskip

importorskip("pyro")
importorskip("arviz")
importorskip("zarr")
pyplot = importorskip("matplotlib.pyplot")

import pyro
import torch

EXAMPLES = Path(__file__).parents[2] / "examples"
QUICK = ["composition", "funnel", "label_switching", "stop_when_good", "what_warm_up_does"]
SLOW = [
    path.stem
    for path in sorted(EXAMPLES.glob("*.py"))
    if "fhl_ppl.pyro" in path.read_text() and path.stem not in QUICK
]


@pytest.fixture(autouse=True)
def _as_a_process_of_its_own(monkeypatch):
    pyplot.switch_backend("agg")
    monkeypatch.setattr(pyplot, "show", lambda: None)
    yield
    pyplot.close("all")
    torch.set_default_dtype(torch.float32)
    pyro.clear_param_store()


# So few iterations leave much to warn of.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_example_draws_a_picture(name, monkeypatch):
    monkeypatch.setattr(sys, "argv", [name, "--smoke"])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert pyplot.get_fignums()
