"""Every model of the collection, batched, equals one particle at a time."""

import warnings

import numpy as np
import pyro
import pytest
import torch
from torch.overrides import TorchFunctionMode

from fhl_ppl.pyro.batching import replay
from fhl_ppl.pyro.batching.potential import BatchedPotential
from fhl_ppl.pyro.model.problem import problem_from_model
from tests.pyro.models import LOOP, MODELS

pytestmark = pytest.mark.usefixtures("float64")


@pytest.fixture(scope="module", params=sorted(MODELS))
def evaluated(request):
    """The name, the problem, and the potential after its first call."""
    pyro.set_rng_seed(7)
    problem = problem_from_model(MODELS[request.param], num_particles=4)
    potential = BatchedPotential(problem.potential_fn, problem.layout)
    if request.param in LOOP:
        with pytest.warns(RuntimeWarning, match="data-dependent control flow"):
            potential.energy_and_gradient(problem.position)
    else:
        potential.energy_and_gradient(problem.position)
    return request.param, problem, potential


def alone(problem, row):
    """One particle, by nothing but Pyro's potential and autograd."""
    row = row.clone().requires_grad_(True)
    with pyro.validation_enabled(False):
        value = problem.potential_fn(problem.layout.unflatten(row))
    if not value.requires_grad:
        return value.item(), np.zeros(len(row))
    (gradient,) = torch.autograd.grad(value, row, allow_unused=True)
    return value.item(), np.zeros(len(row)) if gradient is None else gradient.numpy()


@pytest.mark.parametrize("step", [0.0, 0.5, 1.5])
def test_values_and_gradients_equal_those_of_one_particle(evaluated, step):
    _, problem, potential = evaluated
    noise = torch.randn(problem.position.shape, generator=torch.Generator().manual_seed(3))
    position = problem.position + step * noise
    energies, gradients = potential.energy_and_gradient(position)
    values, slopes = zip(*(alone(problem, row) for row in position), strict=True)
    assert np.isfinite(values).all()
    np.testing.assert_allclose(energies, values, rtol=1e-8)
    scale = np.abs(slopes).max()
    np.testing.assert_allclose(gradients, slopes, rtol=1e-8, atol=1e-10 * scale)
    assert not energies.requires_grad
    assert not gradients.requires_grad


def test_rung_is_the_expected_one(evaluated):
    name, _, potential = evaluated
    assert potential.rung == ("loop" if name in LOOP else "fx"), potential.reason
    assert bool(potential.reason) == (name in LOOP)


@pytest.fixture
def unscripted(evaluated, monkeypatch):
    """The potential as it is evaluated where TorchScript does not replay the record."""
    _, problem, _ = evaluated
    monkeypatch.setattr(replay.Recorded, "_scripted", lambda self, _: self.interpreted)
    potential = BatchedPotential(problem.potential_fn, problem.layout)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        potential.energy_and_gradient(problem.position)
    return potential


def test_scripted_code_gives_the_same_numbers(evaluated, unscripted):
    _, problem, potential = evaluated
    position = problem.position + 0.3
    expected = unscripted.energy_and_gradient(position)
    tolerance = 100 * torch.finfo(position.dtype).eps
    for got, wanted in zip(potential.energy_and_gradient(position), expected, strict=True):
        # Products of matrices may be summed in another order where memory lies otherwise.
        torch.testing.assert_close(got, wanted, rtol=tolerance, atol=tolerance)


def test_recorded_code_does_not_wait_for_the_device(evaluated, unscripted):
    name, problem, _ = evaluated
    potential = unscripted
    if name in LOOP:
        pytest.skip("a loop has no recorded code")

    class Seen(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            names.add(str(func))
            return func(*args, **(kwargs or {}))

    names = set()
    with Seen():
        potential.energy_and_gradient(problem.position)
    assert names
    waiting = ("item", "_local_scalar_dense", "nonzero", "check_errors", "is_all_true", "equal")
    assert not [name for name in names if name.split(".")[-2:][0] in waiting]


@pytest.mark.parametrize("name", ["eight_schools_centred", "lkj_mvn", "mixture_enumerated"])
def test_float32_stays_float32(name):
    torch.set_default_dtype(torch.float32)
    try:
        problem = problem_from_model(MODELS[name], num_particles=3)
        potential = BatchedPotential(problem.potential_fn, problem.layout)
        energies, gradients = potential.energy_and_gradient(problem.position)
    finally:
        torch.set_default_dtype(torch.float64)
    assert energies.dtype == gradients.dtype == problem.position.dtype == torch.float32
    assert potential.rung == "fx"
