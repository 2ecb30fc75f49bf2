"""Core under JAX, compiled and not, gives what NumPy gave."""

from functools import partial

import numpy as np
import pytest

from tests.conftest import importorskip
from tests.golden.coverage import called_in_core
from tests.golden.files import assert_golden, assert_golden_path, load
from tests.golden.scenarios import SCENARIOS, STEPWISE

jax = importorskip("jax")
from fhl_ppl.numpyro.control import JAX, WITHOUT_HOST


@pytest.fixture(autouse=True)
def _float64():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def load_inputs():
    return {name: jax.numpy.asarray(value) for name, value in load("inputs").items()}


def run(scenario):
    return jax.jit(partial(SCENARIOS[scenario], control=WITHOUT_HOST))(load_inputs())


def as_numpy(outputs):
    assert all(isinstance(value, jax.Array) for value in outputs.values())
    return {name: np.asarray(value) for name, value in outputs.items()}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_jax_gives_what_numpy_gave(scenario):
    assert_golden(as_numpy(run(scenario)), load(scenario))


# Of the warm-ups, single iterations are enough: not compiled, each takes some tenths of a second.
@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if "warm-up" not in name])
def test_jax_gives_what_numpy_gave_without_jit(scenario):
    with jax.disable_jit():
        assert_golden(as_numpy(run(scenario)), load(scenario))


def assert_path(scenario, iterations=None):
    inputs, warm_up = load_inputs(), STEPWISE[scenario]
    step = jax.jit(partial(warm_up.iterate, control=JAX))

    def start():
        return as_numpy(warm_up.start(inputs))

    def iterate(k, arrays):
        return as_numpy(step(inputs, k, jax.tree.map(jax.numpy.asarray, arrays)))

    assert_golden_path(scenario, start, iterate, iterations)


@pytest.mark.parametrize("scenario", STEPWISE)
def test_every_iteration_of_a_warm_up_gives_what_numpy_gave(scenario):
    assert_path(scenario)


@pytest.mark.parametrize("scenario", STEPWISE)
def test_iterations_of_a_warm_up_give_what_numpy_gave_without_jit(scenario):
    # After 9 and 41 the metric is renewed, after 49 everything is frozen.
    with jax.disable_jit():
        assert_path(scenario, [0, 9, 41, 49])


def test_single_precision_is_noticed():
    jax.config.update("jax_enable_x64", False)
    outputs = as_numpy(run("leapfrog joint dense"))
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_golden(outputs, load("leapfrog joint dense"))


def trace(function, *arguments):
    return jax.eval_shape(partial(function, control=WITHOUT_HOST), *arguments)


@pytest.mark.parametrize("scenario", STEPWISE)
def test_single_precision_is_kept_where_double_is_enabled(scenario):
    # A loop refuses to carry what changes its type.
    inputs = {
        name: value.astype(np.float32) if value.dtype == np.float64 else value
        for name, value in load_inputs().items()
    }
    start = STEPWISE[scenario].start(inputs)
    end = trace(STEPWISE[scenario].iterate, inputs, 9, start)
    assert {value.dtype for value in [*start.values(), *end.values()]} == {np.dtype(np.float32)}


def test_the_scenarios_call_all_that_is_public():
    inputs = load_inputs()

    def trace_all():
        for scenario in SCENARIOS.values():
            trace(scenario, inputs)
        for warm_up in STEPWISE.values():
            trace(warm_up.iterate, inputs, 9, warm_up.start(inputs))

    called, public = called_in_core(trace_all)
    assert called == public
