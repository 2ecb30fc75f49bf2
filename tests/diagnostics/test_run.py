"""How a run is described."""

import pytest

from fhl_ppl.diagnostics.run import describe
from fhl_ppl.options import DENSE_LIMIT, Options


@pytest.mark.parametrize(
    ("dense_mass", "dim", "metric"),
    [
        (None, DENSE_LIMIT, "dense"),
        (None, DENSE_LIMIT + 1, "diagonal"),
        (True, DENSE_LIMIT + 1, "dense"),
        (False, 2, "diagonal"),
        ([("mu", "tau")], 2, "blocks"),
    ],
)
def test_names_the_form_of_the_metric(dense_mass, dim, metric):
    assert describe("FHL", Options(dense_mass=dense_mass), dim)["metric"] == metric


def test_keeps_quiet_about_a_metric_it_does_not_know():
    assert "metric" not in describe("FHL", Options(), None)


def test_has_every_setting_and_what_the_run_found():
    described = describe("FHL", Options(group_size=8, coupling="joint"), 2, tuned_step_size=0.5)
    assert described["sampler"] == "FHL"
    assert described["group_size"] == 8
    assert described["coupling"] == "joint"
    assert described["adjusted"] is True
    assert described["tuned_step_size"] == 0.5
