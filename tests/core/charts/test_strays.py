"""Particles that a new chart brings in: those where the model says nothing."""

import numpy as np
import pytest
import torch

from fhl_ppl.core.learners import chart as chart_learner
from fhl_ppl.core.state import State
from fhl_ppl.options import Options
from tests.runs import Run


@pytest.mark.parametrize("spoilt", ["position", "potential_energy", "gradient"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_has_no_numbers_is_put_where_the_best_is(spoilt, value):
    position = np.arange(8.0).reshape(4, 2)
    state = State(position, np.array([3.0, 1.0, -5.0, 2.0]), 2 * position)
    # The lowest energy does not count where something else is no number.
    part = getattr(state, spoilt).copy()
    part[2, ...] = value
    found = chart_learner._with_numbers(state._replace(**{spoilt: part}))
    for got, before in zip(found, state, strict=True):
        np.testing.assert_array_equal(got, before[[0, 1, 1, 3]])
    for got, before in zip(chart_learner._with_numbers(state), state, strict=True):
        np.testing.assert_array_equal(got, before)


def houses(q):
    """A hierarchy of 10 groups that is not centred: U and its gradient at [particle, 13]."""
    rng = np.random.default_rng(4)
    y = (1.4 + 0.35 * rng.standard_normal((10, 1)) + 0.75 * rng.standard_normal((10, 12))).ravel()
    y, group = torch.as_tensor(y, dtype=torch.float32), torch.arange(10).repeat_interleave(12)
    at = torch.as_tensor(q).requires_grad_()
    mean, log_spread, log_noise, offset = at[:, :1], at[:, 1:2], at[:, 2:3], at[:, 3:]
    left = (y - mean - log_spread.exp() * offset[:, group]) * (-log_noise).exp()
    scales = torch.log1p((2 * at[:, 1:3]).exp()) - at[:, 1:3]
    prior = mean[:, 0] ** 2 / 50 + scales.sum(1) + (offset**2).sum(1) / 2
    energy = prior + len(y) * log_noise[:, 0] + (left**2).sum(1) / 2
    (gradient,) = torch.autograd.grad(energy.sum(), at)
    return energy.detach().numpy(), gradient.numpy()


def run_with_strays(strays):
    """16 particles in single precision, of which so many start where the model says nothing."""
    rng = np.random.default_rng(2)
    position = 0.3 * rng.standard_normal((16, 13))
    position[16 - strays :, :3] = 29.0, 28.0, 34.0
    position[16 - strays :, 3:] = 20 * rng.standard_normal((strays, 10))
    plan = Options().plan(200, 13)
    return Run(plan, houses, position.astype(np.float32), rng).go(200)


@pytest.mark.parametrize("strays", [3, 15])
def test_strays_are_brought_in_with_a_new_chart(strays):
    energy = run_with_strays(strays).state.potential_energy
    assert np.ptp(energy) < 40, energy


def test_strays_that_are_left_where_they_are_stay_there(monkeypatch):
    """Break it on purpose."""
    monkeypatch.setattr(chart_learner, "without_strays", lambda state: state)
    assert np.ptp(run_with_strays(3).state.potential_energy) > 1000
