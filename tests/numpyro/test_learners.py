"""Every learner, compiled by JAX, learns what it learns in NumPy."""

from functools import cache

import pytest

from fhl_ppl.core.learners import LEARNERS
from tests.conftest import importorskip
from tests.learners import CASES, PLANS, LooksAtValues, check_library, tell

jax = importorskip("jax")
importorskip("numpyro")

import numpy as np

from fhl_ppl.numpyro.control import JAX


def compiled(function, arrays):
    with jax.enable_x64(True):
        return jax.jit(lambda values: function(values, JAX))([*map(jax.numpy.asarray, arrays)])


@cache
def story(plan):
    return tell(PLANS[plan])


@pytest.mark.parametrize(("plan", "name"), CASES)
def test_every_learner_learns_the_same(plan, name):
    check_library(story(plan), name, compiled, np.asarray)


def test_a_learner_that_looks_at_values_fails(monkeypatch):
    monkeypatch.setitem(LEARNERS, "toy", lambda plan: LooksAtValues())
    told = tell(PLANS["dense"])
    with pytest.raises(jax.errors.ConcretizationTypeError):
        check_library(told, "toy", compiled, np.asarray)
