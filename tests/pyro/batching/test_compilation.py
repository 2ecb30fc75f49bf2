"""What is recorded is compiled on request, scripted when it is long, and once for each number."""

import warnings

import numpy as np
import pytest
import torch

from fhl_ppl.pyro.batching import ladder, replay
from fhl_ppl.pyro.batching.potential import BatchedPotential
from tests.pyro.batching.quadratic import LAYOUT, POINTS, cholesky, quadratic

pytestmark = pytest.mark.usefixtures("float64")


def test_every_number_of_particles_is_recorded_once(monkeypatch):
    traced = []
    original = replay.record

    def counting(function, position):
        traced.append(function)
        return original(function, position)

    monkeypatch.setattr(replay, "record", counting)
    potential = BatchedPotential(quadratic, LAYOUT)
    for points in (POINTS, POINTS[:2], POINTS, POINTS[:2]):
        energies, _ = potential.energy_and_gradient(points)
        np.testing.assert_allclose(energies, (points**2).sum(1) / 2)
    assert len(traced) == 2


def test_compilation_on_request():
    options = {"backend": "aot_eager"}
    potential = BatchedPotential(cholesky, LAYOUT, jit_compile=True, jit_options=options)
    plain = BatchedPotential(cholesky, LAYOUT)
    points = POINTS.abs()
    for actual, wanted in zip(
        potential.energy_and_gradient(points), plain.energy_and_gradient(points), strict=True
    ):
        np.testing.assert_allclose(actual, wanted, rtol=1e-12)
    assert (potential.rung, potential.reason) == ("compile", "")


def test_what_was_left_over_from_nuts_does_not_compile_a_short_run(monkeypatch):
    """Without options compiling waits until replaying has taken long."""
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("compiled"))
    potential = BatchedPotential(quadratic, LAYOUT, jit_compile=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        potential.energy_and_gradient(POINTS)
    assert potential.rung == "fx"
    assert "compiled after 30 s" in potential.reason
    # Broken on purpose: at once.
    monkeypatch.setattr(ladder, "COMPILES_AFTER", 0.0)
    with pytest.raises(pytest.fail.Exception, match="compiled"):
        potential.energy_and_gradient(POINTS)


@pytest.mark.parametrize("is_faster", [True, False])
def test_what_is_compiled_late_has_to_be_faster(monkeypatch, is_faster):
    monkeypatch.setattr(torch, "compile", lambda function: function)
    monkeypatch.setattr(ladder, "COMPILES_AFTER", 0.0)
    seconds = {"compile": 1.0 if is_faster else 3.0, "fx": 2.0}
    monkeypatch.setattr(ladder, "_seconds", lambda rung, _: seconds[rung.name])
    potential = BatchedPotential(quadratic, LAYOUT, jit_compile=True)
    for _ in range(3):
        energies, _ = potential.energy_and_gradient(POINTS)
    np.testing.assert_allclose(energies, (POINTS**2).sum(1) / 2)
    assert potential.rung == ("compile" if is_faster else "fx")
    assert potential.reason == ("" if is_faster else "compiled, it is slower")


def test_very_long_records_are_not_compiled(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("compiled"))
    monkeypatch.setattr(ladder, "COMPILES_AFTER", 0.0)
    monkeypatch.setattr(ladder, "MOST_COMPILED", 1)
    potential = BatchedPotential(quadratic, LAYOUT, jit_compile=True)
    for _ in range(3):
        potential.energy_and_gradient(POINTS)
    assert "operations would take minutes" in potential.reason


def test_long_records_are_scripted_later(monkeypatch):
    monkeypatch.setattr(replay, "SCRIPTED_AT_ONCE", 0)
    monkeypatch.setattr(replay, "SCRIPTED_AFTER", 6)
    traced = []
    trace = torch.jit.trace
    monkeypatch.setattr(torch.jit, "trace", lambda *a, **k: traced.append(1) or trace(*a, **k))
    potential = BatchedPotential(quadratic, LAYOUT)
    results = []
    for _ in range(10):
        results.append((*potential.energy_and_gradient(POINTS), len(traced)))
    assert [each[2] for each in (results[0], results[-1])] == [0, 1]
    for energies, gradients, _ in results:
        np.testing.assert_array_equal(energies, results[0][0])
        np.testing.assert_array_equal(gradients, results[0][1])


def test_failed_compilation_falls_back_with_one_warning():
    options = {"check_trace": False}
    potential = BatchedPotential(quadratic, LAYOUT, jit_compile=True, jit_options=options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        potential.energy_and_gradient(POINTS)
        energies, _ = potential.energy_and_gradient(POINTS[:2])
    assert len(caught) == 1
    assert "check_trace" in str(caught[0].message)
    np.testing.assert_allclose(energies, (POINTS[:2] ** 2).sum(1) / 2)
    assert potential.rung == "fx"
