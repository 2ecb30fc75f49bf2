"""Settings may be traced, as NUTS allows."""

from tests.conftest import importorskip

importorskip("jax")
importorskip("numpyro")

from tests.numpyro.test_mcmc import assert_same, draws, make


def test_arguments_as_traced_values():
    assert_same(draws(make()), draws(make(jit_model_args=True)))
