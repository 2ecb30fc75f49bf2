"""Energies that are rounded: what is lost in the rounding is not the step's fault."""

import numpy as np
import pytest

from fhl_ppl.core import metropolis
from tests.plans import WITHIN_MODES, make_plan
from tests.runs import Run


def far_down(constant):
    """A Gaussian, with a constant added to its energy in single precision."""

    def evaluate(position):
        energy = (position.astype(float) ** 2).sum(axis=1) / 2
        return energy.astype(np.float32) + np.float32(constant), position

    return evaluate


def warmed_up(constant):
    rng = np.random.default_rng(1)
    position = rng.standard_normal((8, 8)).astype(np.float32)
    plan = make_plan(100, jumps=WITHIN_MODES)
    return Run(plan, far_down(constant), position, rng, number=np.float32).go(180)


def acceptance(run):
    of = [info.accept_prob for info in run.infos[100:] if not info.move.any()]
    return np.mean(of)


def test_large_energies_keep_their_acceptance():
    run, plain = warmed_up(1e6), warmed_up(0.0)
    assert run.tunings[-1].step_size.dtype == np.float32
    assert acceptance(run) > acceptance(plain) - 0.1


def test_a_step_is_not_shrunk_for_what_is_lost_in_rounding():
    run = warmed_up(1e7)
    assert run.tunings[-1].step_size > 1
    assert acceptance(run) > 0.6


def test_it_would_be_otherwise(monkeypatch):
    monkeypatch.setattr(metropolis, "ROUNDINGS", 0.0)
    assert warmed_up(1e7).tunings[-1].step_size < 0.5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_rounding_is_that_of_the_type(dtype):
    energy = np.array([1e3, 1e6], dtype)
    found = metropolis.rounding(energy)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, metropolis.ROUNDINGS * np.spacing(energy), rtol=1)
