"""The golden files are what NumPy computes today, and cover core."""

import numpy as np
import pytest

from fhl_ppl.core import leader
from fhl_ppl.core.control import PYTHON
from tests.golden.coverage import called_in_core
from tests.golden.files import DATA, TOLERANCE, assert_golden, assert_golden_path, load, path
from tests.golden.generate import changes
from tests.golden.scenarios import SCENARIOS, STEPWISE


def run(scenario):
    with np.errstate(over="ignore", invalid="ignore"):
        outputs = SCENARIOS[scenario](load("inputs"), PYTHON)
    return {name: np.asarray(value) for name, value in outputs.items()}, load(scenario)


def assert_path(scenario):
    inputs, warm_up = load("inputs"), STEPWISE[scenario]
    with np.errstate(over="ignore", invalid="ignore"):
        assert_golden_path(
            scenario,
            lambda: warm_up.start(inputs),
            lambda k, arrays: warm_up.iterate(inputs, k, arrays, PYTHON),
        )


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_numpy_gives_what_is_stored(scenario):
    assert_golden(*run(scenario))


@pytest.mark.parametrize("scenario", STEPWISE)
def test_every_iteration_of_a_warm_up_gives_what_is_stored(scenario):
    assert_path(scenario)


def test_there_is_a_file_for_every_scenario_and_no_other():
    wanted = {path(scenario) for scenario in ["inputs", *SCENARIOS, *STEPWISE]}
    assert set(DATA.iterdir()) == wanted


def test_the_files_are_small():
    assert sum(file.stat().st_size for file in DATA.iterdir()) < 300_000


def test_writing_anew_tells_other_bits_and_other_names():
    old = {"a": np.ones(2), "b": np.zeros(2), "c": np.ones(1)}
    new = {"a": np.nextafter(old["a"], 2), "d": old["b"], "c": old["c"]}
    assert list(changes(old, new)) == ["a: other bits", "d: new, the bits of b", "b: gone"]


@pytest.fixture
def _slightly_off(monkeypatch):
    exact = leader.elastic_displacement

    def slightly_off(rate, position, found):
        return exact(rate, position, found) * (1 + 1e-6)

    for module in ("core.couplings.joint", "core.couplings.alternate"):
        monkeypatch.setattr(f"fhl_ppl.{module}.elastic_displacement", slightly_off)
    monkeypatch.setattr("tests.golden.scenarios.elastic_displacement", slightly_off)


@pytest.mark.usefixtures("_slightly_off")
@pytest.mark.parametrize("scenario", sorted(set(SCENARIOS) - {"transition without pull"}))
def test_a_small_change_is_noticed(scenario):
    outputs, expected = run(scenario)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_golden(outputs, expected)


@pytest.mark.usefixtures("_slightly_off")
@pytest.mark.parametrize("scenario", STEPWISE)
def test_a_small_change_of_an_iteration_is_noticed(scenario):
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_path(scenario)


def test_a_missing_output_is_noticed():
    outputs, expected = run("leader")
    del outputs["0 rate"]
    with pytest.raises(AssertionError):
        assert_golden(outputs, expected)
    assert TOLERANCE == 1e-10


def test_transitions_accept_and_reject():
    accepted = np.stack(
        [load(name)["accepted"] for name in SCENARIOS if name.startswith("transition")]
    )
    assert accepted.any()
    assert not accepted.all()


def test_the_scenarios_call_all_that_is_public():
    # The step size is adapted in those alone that are checked step by step.
    called, public = called_in_core(
        lambda: [*(run(scenario) for scenario in SCENARIOS), *map(assert_path, STEPWISE)]
    )
    assert called == public
    assert len(public) > 30


def test_what_is_not_called_is_noticed():
    called, public = called_in_core(lambda: run("leader"))
    assert "fhl_ppl.core.leader.find_leader" in called
    assert called < public
