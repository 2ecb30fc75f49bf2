"""What `BatchedPotential` says, refuses, pickles, and leaves alone."""

import pickle
import warnings

import numpy as np
import pyro
import pytest
import torch
from pyro.ops import special

from fhl_ppl.pyro.batching import batchable
from fhl_ppl.pyro.batching.potential import BatchedPotential
from fhl_ppl.pyro.model.problem import problem_from_model
from tests.pyro.batching.quadratic import LAYOUT, POINTS, quadratic
from tests.pyro.models import MODELS, lkj_mvn

pytestmark = pytest.mark.usefixtures("float64")


def branching(sites):
    return quadratic(sites) if sites["x"][0] > 0 else 2 * quadratic(sites)


def test_the_loop_is_announced_once_with_its_reason():
    potential = BatchedPotential(branching, LAYOUT)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        potential.energy_and_gradient(POINTS)
        potential.energy_and_gradient(POINTS[:2])
        potential.energy(POINTS)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert "data-dependent control flow" in message
    assert f"{__file__}, line" in message
    assert caught[0].filename == __file__


def test_evaluation_leaves_global_state_alone():
    model = MODELS["mixture_enumerated"]
    problem = problem_from_model(model, num_particles=2)
    potential = BatchedPotential(problem.potential_fn, problem.layout)
    before = torch.get_rng_state(), special._SafeLog, torch.distributions.Normal._validate_args
    with pyro.validation_enabled(True):
        potential.energy_and_gradient(problem.position)
        assert torch.distributions.Distribution._validate_args
    after = torch.get_rng_state(), special._SafeLog, torch.distributions.Normal._validate_args
    np.testing.assert_array_equal(before[0], after[0])
    assert before[1:] == after[1:]
    with pytest.raises(ZeroDivisionError), batchable.batchable_operations():
        raise ZeroDivisionError
    assert special._SafeLog is before[1]


@pytest.mark.parametrize("evaluate_first", [False, True])
def test_pickling_keeps_what_can_be_kept(evaluate_first):
    problem = problem_from_model(lkj_mvn, num_particles=3)
    potential = BatchedPotential(problem.potential_fn, problem.layout)
    expected = BatchedPotential(problem.potential_fn, problem.layout)
    if evaluate_first:
        potential.energy_and_gradient(problem.position)
    copy = pickle.loads(pickle.dumps(potential))
    for actual, wanted in zip(
        copy.energy_and_gradient(problem.position),
        expected.energy_and_gradient(problem.position),
        strict=True,
    ):
        np.testing.assert_allclose(actual, wanted, rtol=1e-12)
    assert copy.rung == "fx"


def test_pickling_does_not_repeat_the_warning():
    potential = BatchedPotential(branching, LAYOUT)
    with pytest.warns(RuntimeWarning):
        potential.energy_and_gradient(POINTS)
    copy = pickle.loads(pickle.dumps(potential))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copy.energy_and_gradient(POINTS)
    assert copy.rung == "loop"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noisy_gradient": True}, "noisy_gradient=True needs a gradient_fn"),
        ({"jit_options": {"mode": "default"}}, "jit_options=.*jit_compile=True"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        BatchedPotential(quadratic, LAYOUT, **options)


@pytest.mark.parametrize(
    "position",
    [torch.zeros(2), torch.zeros(3, 3), torch.zeros(0, 2), torch.zeros(3, 2, dtype=torch.float32)],
)
def test_bad_positions_are_named(position):
    with pytest.raises(ValueError, match=r"position must have shape \[N, 2\], dtype torch.float64"):
        BatchedPotential(quadratic, LAYOUT).energy_and_gradient(position)


def test_potential_has_to_be_a_scalar():
    with pytest.raises(ValueError, match=r"scalar tensor, got shape \(2,\)"):
        BatchedPotential(lambda sites: sites["x"], LAYOUT).energy_and_gradient(POINTS)
