"""Core under PyTorch gives what NumPy gave."""

import numpy as np
import pytest

from fhl_ppl.core.control import PYTHON
from tests.conftest import importorskip
from tests.golden.coverage import called_in_core
from tests.golden.files import assert_golden, assert_golden_path, load
from tests.golden.scenarios import SCENARIOS, STEPWISE

torch = importorskip("torch")


def load_inputs(dtype=torch.float64):
    inputs = {name: torch.from_numpy(value) for name, value in load("inputs").items()}
    return {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in inputs.items()
    }


def run(scenario, dtype=torch.float64):
    return as_numpy(SCENARIOS[scenario](load_inputs(dtype), PYTHON))


def as_numpy(outputs):
    assert all(isinstance(value, torch.Tensor) for value in outputs.values())
    return {name: value.numpy() for name, value in outputs.items()}


def as_torch(arrays):
    return {name: torch.as_tensor(value) for name, value in arrays.items()}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_torch_gives_what_numpy_gave(scenario):
    assert_golden(run(scenario), load(scenario))


@pytest.mark.parametrize("scenario", STEPWISE)
def test_every_iteration_of_a_warm_up_gives_what_numpy_gave(scenario):
    inputs, warm_up = load_inputs(), STEPWISE[scenario]

    def start():
        return as_numpy(warm_up.start(inputs))

    def iterate(k, arrays):
        return as_numpy(warm_up.iterate(inputs, k, as_torch(arrays), PYTHON))

    assert_golden_path(scenario, start, iterate)


def test_single_precision_is_noticed():
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_golden(run("leapfrog joint dense", torch.float32), load("leapfrog joint dense"))


@pytest.mark.parametrize("default", [torch.float32, torch.float64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scenario", ["warm-up alternate", "warm-up joint"])
def test_the_type_is_that_of_the_data_whatever_the_default(scenario, dtype, default):
    before = torch.get_default_dtype()
    torch.set_default_dtype(default)
    try:
        outputs = run(scenario, dtype)
    finally:
        torch.set_default_dtype(before)
    for name, value in outputs.items():
        assert value.dtype == torch.empty(0, dtype=dtype).numpy().dtype, name
        assert np.isfinite(value).all(), name


def test_the_scenarios_call_all_that_is_public():
    inputs = load_inputs()

    def run_all():
        for scenario in SCENARIOS.values():
            scenario(inputs, PYTHON)
        for scenario, warm_up in STEPWISE.items():
            path = as_torch(load(scenario))
            # A window ends with iteration 9, and 16 is one of jumps.
            for iteration in (9, 16):
                before = {name: value[iteration] for name, value in path.items()}
                warm_up.iterate(inputs, iteration, before, PYTHON)

    called, public = called_in_core(run_all)
    assert called == public
