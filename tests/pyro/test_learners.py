"""Every learner learns on tensors what it learns in NumPy, and is saved and loaded by name."""

from functools import cache

import numpy as np
import pytest

from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.learners import LEARNERS
from tests.conftest import importorskip
from tests.learners import (
    CASES,
    PLANS,
    LooksAtValues,
    Nameless,
    check_library,
    form,
    life,
    tell,
)
from tests.runs import leaves

torch = importorskip("torch")
importorskip("pyro")

from fhl_ppl.pyro.run.arrays import NumpyArrays
from fhl_ppl.pyro.run.engine import _from_dict, _to_dict


def on_tensors(function, arrays):
    found = function([torch.as_tensor(array) for array in arrays], PYTHON)
    assert all(isinstance(value, torch.Tensor) for value in found)
    return found


def as_numpy(tensor):
    return tensor.numpy()


@cache
def story(plan):
    return tell(PLANS[plan])


@pytest.mark.parametrize(("plan", "name"), CASES)
def test_every_learner_learns_the_same(plan, name):
    check_library(story(plan), name, on_tensors, as_numpy)


def test_a_learner_that_reckons_in_numpy_fails(monkeypatch):
    monkeypatch.setitem(LEARNERS, "toy", lambda plan: LooksAtValues())
    with pytest.raises((AssertionError, AttributeError, TypeError)):
        check_library(tell(PLANS["dense"]), "toy", on_tensors, as_numpy)


def check_saved(story, name):
    arrays, learnt = NumpyArrays(), {name: life(story, name)["observe"]}
    saved = _to_dict(learnt, arrays.saved)
    again = _from_dict(learnt, saved, arrays)
    assert form(again[name]) == form(learnt[name])
    for new, old in zip(leaves(again), leaves(learnt), strict=True):
        np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize(("plan", "name"), CASES)
def test_every_learner_is_saved_and_loaded(plan, name):
    check_saved(story(plan), name)


def test_a_learner_without_names_fails(monkeypatch):
    monkeypatch.setitem(LEARNERS, "toy", lambda plan: Nameless())
    with pytest.raises((AssertionError, AttributeError)):
        check_saved(tell(PLANS["dense"]), "toy")
