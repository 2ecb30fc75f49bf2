"""Models that ask Python questions are batched where the answer is the same for all."""

import warnings

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

from fhl_ppl.pyro.batching.ladder import MOST_MISSES, Ladder
from fhl_ppl.pyro.model.layout import SiteLayout
from fhl_ppl.pyro.model.one_particle import energy_and_gradient

LAYOUT = SiteLayout({"x": torch.zeros(2)})
POSITION = torch.tensor([[0.3, 1.0], [-0.2, 0.1], [1.0, -1.0]])
# Made outside of a model, and with validation of its samples in the instance.
EXPANDED = dist.Normal(torch.zeros(()), 1.0).expand([2]).to_event(1)


def expanded(x):
    return EXPANDED.log_prob(x)


def validated(x):
    return dist.Normal(0.0, x.exp(), validate_args=True).log_prob(x).sum()


def plate_loop(x):
    return sum(x[i] ** 2 / (i + 1) for i in pyro.plate("plate", 2))


def numbers_of_data(x):
    return x.sum() ** 2 * torch.arange(3.0).sum().item() + float(torch.ones(()))


def guarded(x):
    assert not torch.isnan(x).any()
    if (x > 50).any():
        raise ValueError("far out")
    return (x**2).sum()


def switched(x):
    return (x**2).sum() * (3.0 if x[0] > 50 else 1.0)


def branching(x):
    return (x**2).sum() * (3.0 if x[0] > 0 else 1.0)


def logging(x):
    float(x[0])
    return (x**2).sum()


def ladder_of(function):
    return Ladder(energy_and_gradient(lambda sites: function(sites["x"]), LAYOUT))


def assert_right(ladder, position):
    for found, expected in zip(ladder(position), ladder.quantity.one_by_one(position), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "function", [expanded, validated, plate_loop, numbers_of_data, guarded, switched]
)
def test_on_the_fast_rung(function):
    ladder = ladder_of(function)
    assert_right(ladder, POSITION)
    assert (ladder.rung, ladder.reason) == ("fx", "")


@pytest.mark.parametrize("function", [branching, logging])
def test_what_differs_between_particles_is_left_to_the_loop(function):
    ladder = ladder_of(function)
    with pytest.warns(RuntimeWarning, match=r"(?s)one by one.*test_guards.py, line \d+"):
        assert_right(ladder, POSITION)
    assert ladder.rung == "loop"


def test_a_particle_that_goes_another_way_is_right():
    ladder = ladder_of(switched)
    ladder(POSITION)
    far = POSITION.clone()
    far[1, 0] = 60.0
    assert_right(ladder, far)
    # All of them, which the record has not seen either.
    assert_right(ladder, POSITION + 60.0)
    assert ladder.rung == "fx"


def test_a_guard_raises_as_in_a_loop():
    ladder = ladder_of(guarded)
    ladder(POSITION)
    far = POSITION.clone()
    far[2, 1] = 60.0
    with pytest.raises(ValueError, match="far out"):
        ladder(far)


def test_too_many_misses_end_in_the_loop():
    ladder = ladder_of(switched)
    far = POSITION.clone()
    far[1, 0] = 60.0
    ladder(POSITION)
    for _ in range(MOST_MISSES):
        ladder(far)
    with pytest.warns(RuntimeWarning, match=r"one by one.* control flow"):
        ladder(far)
    ladder(far)
    assert ladder.rung == "loop"


def test_without_guards_a_frozen_branch_is_seen(monkeypatch):
    """Breaks the code on purpose: particles of another answer get what the first would."""
    monkeypatch.setattr(Ladder, "_all_hold", lambda self, outputs: True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ladder = ladder_of(switched)
        ladder(POSITION)
    far = POSITION.clone()
    far[1, 0] = 60.0
    with pytest.raises(AssertionError, match="Mismatched"):
        assert_right(ladder, far)
