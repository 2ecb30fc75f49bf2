"""How a run is described."""

import numpy as np
import pytest

from fhl_ppl.core.moves import MOVES
from fhl_ppl.core.report import Report
from fhl_ppl.diagnostics.run import describe, names_of
from fhl_ppl.options import DENSE_LIMIT, Options


def tuned(step_size=0.5, capped=0.0, pull=(1.0, 0.0), move=0):
    return Report(
        np.array(step_size),
        np.array(4 * step_size),
        np.array(capped),
        np.array([0.0, 2.0]),
        np.array(pull),
        np.eye(len(MOVES))[move],
        np.ones(1),
    )


def described(options=None, dim=2, each=(), **about_the_run):
    options = Options() if options is None else options
    return describe("FHL", options, dim, 100, each or [tuned()], **about_the_run)


@pytest.mark.parametrize(
    ("dense_mass", "dim", "metric"),
    [
        (None, DENSE_LIMIT, "dense"),
        (None, DENSE_LIMIT + 1, "low rank"),
        ("low_rank", 2, "low rank"),
        (True, DENSE_LIMIT + 1, "dense"),
        (False, 2, "diagonal"),
        ([("mu", "tau")], 2, "blocks"),
    ],
)
def test_names_the_form_of_the_metric(dense_mass, dim, metric):
    assert described(Options(dense_mass=dense_mass), dim)["metric"] == metric


def test_has_every_setting_and_what_the_run_found():
    found = described(Options(group_size=8, coupling="joint"), thinning=2)
    assert found["sampler"] == "FHL"
    assert found["group_size"] == 8
    assert found["coupling"] == "joint"
    assert found["adjusted"] is True
    assert found["tuning_steps"] == 100
    assert found["thinning"] == 2


def test_has_what_warm_up_settled_on():
    found = described()
    assert found["tuned_step_size"] == 0.5
    assert found["tuned_trajectory_length"] == 2.0
    assert found["moves"].split(", ") == list(MOVES)
    assert found["move_probabilities"] == [1.0] + [0.0] * (len(MOVES) - 1)
    assert found["pull_kappas"] == [0.0, 2.0]
    assert found["pull_probabilities"] == [1.0, 0.0]


def test_chains_that_adapt_on_their_own_are_listed_or_averaged():
    found = described(each=[tuned(0.5, 0.0, (1.0, 0.0), 0), tuned(0.25, 0.5, (0.5, 0.5), 1)])
    assert found["tuned_step_size"] == [0.25, 0.5]
    assert found["capped_trajectories"] == 0.25
    assert found["pull_probabilities"] == [0.75, 0.25]
    assert found["move_probabilities"][:2] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("settings", "cap"),
    [
        ({}, 1024),
        ({"trusts_gradient": False}, 4),
        ({"max_num_steps": 30}, 30),
        ({"num_steps": 7}, 7),
    ],
)
def test_the_cap_is_the_one_in_force(settings, cap):
    assert described(Options(**settings))["steps_cap"] == cap


def test_a_given_pull_is_no_mixture():
    assert "pull_probabilities" not in described(Options(pulling_strength=1.0))


def test_says_what_drives_what():
    links = np.zeros((4, 4))
    links[1:3, 0] = links[2, 3] = 1
    each = [tuned()._replace(drivers=links)]
    names = names_of({"tau": (), "theta": (2,), "s": ()})
    found = describe("FHL", Options(), 4, 100, each, names)["chart"]
    assert found == "tau drives theta[0], theta[1]; s drives theta[1]"
    assert described()["chart"] == "none"
