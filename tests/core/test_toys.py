"""A move and a learner are a file and a line each: toys that are registered run and are tested."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fhl_ppl.core.learners import LEARNERS
from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.report import report
from tests.plans import make_plan
from tests.runs import Run
from tests.targets import TARGETS
from tests.toys.leads import Leads
from tests.toys.mirror import Mirror

ROOT = Path(__file__).parents[2]
INHERITED = {
    "mirror": ("tests/core/moves/test_every_move.py", "tests/invariance/test_moves.py"),
    "leads": ("tests/core/learners/test_every_learner.py",),
}
"""Where a new move or learner is tested without a line more."""
LEAST = {"mirror": 25, "leads": 20}
"""Tests that there are of it at least."""


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setitem(JUMPS, "mirror", Mirror())
    monkeypatch.setitem(LEARNERS, "leads", Leads.of)
    rng = np.random.default_rng(1)
    target = TARGETS["gaussian"]
    plan = make_plan(100, jumps=tuple(JUMPS))
    run = Run(plan, target.potential_and_gradient, target.sample(rng, 8), rng, step_size=0.5)
    return run.go(300)


def test_a_toy_move_is_made_and_weighed(run):
    moves = np.array([info.move for info in run.infos[100:]])
    made = moves == 1 + list(JUMPS).index("mirror")
    assert made.any()
    accepted = np.array([info.accepted for info in run.infos[100:]])
    # On a Gaussian whose centre was found there is nothing to refuse, but for the fit.
    assert accepted[made].mean() > 0.5
    weight = report(run.sampler, run.learnt).move_weight
    assert weight.shape == (1 + len(JUMPS),)
    np.testing.assert_allclose(made.mean(), weight[-1], atol=0.05)


def test_a_toy_learner_learns(run):
    last_window = [info.is_leader for info in run.infos[85:100]]
    np.testing.assert_array_equal(run.learnt["leads"], np.sum(last_window, axis=0))
    assert run.sampler.window_ends[-1] == 85


def inherited(name, toy="sound"):
    """Run the tests of all moves, or learners, in which `name` occurs; passed and failed."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    stop = ["-x"] if toy == "broken" else []
    found = subprocess.run(
        [
            *command,
            "-p",
            "tests.toys.registered",
            "-m",
            "not slow",
            "-k",
            name,
            *stop,
            *INHERITED[name],
        ],
        cwd=ROOT,
        env={**os.environ, "FHL_TOY": toy, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    count = {what: int(number) for number, what in re.findall(r"(\d+) (passed|failed)", found)}
    return count.get("passed", 0), count.get("failed", 0), found


@pytest.mark.parametrize("name", INHERITED)
def test_a_sound_toy_passes_what_it_inherits(name):
    passed, failed, found = inherited(name)
    assert failed == 0, found
    assert passed >= LEAST[name], found


@pytest.mark.parametrize("name", INHERITED)
def test_a_broken_toy_fails(name):
    _, failed, found = inherited(name, "broken")
    assert failed > 0, found


@pytest.mark.parametrize(("file", "most"), [("mirror", 18), ("leads", 32)])
def test_a_toy_is_short(file, most):
    lines = (ROOT / f"tests/toys/{file}.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= most
