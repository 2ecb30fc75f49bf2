"""Ensemble slice sampling has to hand back its chains in the order in which it was given them."""

import numpy as np
import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
importorskip("numpyro")

from numpyro.infer import ESS

from benchmarks.samplers.numpyro_kernels import CountingESS


def check_order(kernel):
    """An update that moves no chain leaves each where it was."""

    class Still(kernel):
        def update_active_chains(self, active, inactive, inner_state):
            return active, inner_state

    still = Still(potential_fn=lambda z: (z["x"] ** 2).sum())
    start = {"x": np.arange(16.0).reshape(8, 2)}
    state = still.init(jax.random.split(jax.random.PRNGKey(0), 8), 0, start)
    for _ in range(3):
        state = still.sample(state, (), {})
    np.testing.assert_array_equal(state.z["x"], start["x"])


def test_chains_stay_in_order():
    check_order(CountingESS)


def test_the_check_of_the_order_bites():
    with pytest.raises(AssertionError):
        check_order(ESS)
