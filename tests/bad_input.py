"""Tables of what is no argument, and what has to become of it: a message of our own."""

import traceback

import numpy as np
import pytest

BIG = 10**400
NUMBERS = ["a", None, [1], {}, object(), 1j, True, np.ones(2), float("nan"), float("inf"), BIG, -1]
COUNTS = [*NUMBERS[:7], 1.5, np.float64(2), 0, -1, 2**40, BIG]
SWITCHES = [0, 1, "yes", None, [], np.ones(2)]
NAMES = ["x", "", None, 3, [], np.ones(2)]


def each(name, values, optional=False, said=None):
    """A case for each value; None is none where the argument may be left out."""
    kept = [value for value in values if not (optional and value is None)]
    return [({name: value}, said or f"{name} must be") for value in kept]


OPTIONS = [
    *each("group_size", COUNTS),
    *each("num_steps", COUNTS, optional=True),
    *each("max_num_steps", COUNTS, optional=True),
    *each("pulling_strength", NUMBERS, optional=True),
    *each("target_accept_prob", [*NUMBERS, 0, 1, 2.0], optional=True),
    *each("trajectory_length", [*NUMBERS, 0], optional=True),
    *each("temperatures", COUNTS, optional=True),
    *each("search", ["a", None, [1], {}, object(), 1j, 1.5, 0, -1, np.ones(2)]),
    ({"search": 10**9}, "search must be at most 10000, got 1000000000"),
    *each("coupling", NAMES),
    *each("integrator", NAMES),
    *each("adjusted", SWITCHES),
    *each("adapt_step_size", SWITCHES),
    *each("adapt_mass_matrix", SWITCHES),
    *each("jumps", SWITCHES),
    *each("charts", SWITCHES),
    *each("noisy_gradient", SWITCHES),
    *each("minibatch", SWITCHES),
    *each("dense_mass", [3, "x", 1.5, {}, [1], [("a", 1)], [[None]], np.ones(2)]),
    *each("gradient_fn", [3, "x", [], {}], said="gradient_fn must be callable, got"),
    *each("init_strategy", [3, "median", None, {}], said="init_strategy must be"),
    ({"noisy_gradient": True}, "noisy_gradient=True needs a gradient_fn"),
    ({"anchor": {}}, "anchor has a meaning with minibatch=True only"),
    ({"minibatch": True, "gradient_fn": len}, "leave gradient_fn out"),
    ({"num_steps": 2, "trajectory_length": 1.0}, "trajectory_length=1.0 contradict"),
]
"""Settings that neither kernel can have, and what is said of each."""

METRICS = [
    *each("inverse_mass_matrix", ["a", object(), {1}], said="must hold numbers"),
    *each("inverse_mass_matrix", [3, []], said="inverse_mass_matrix has shape"),
    ({"inverse_mass_matrix": np.ones(5)}, "inverse_mass_matrix has shape (5,)"),
    ({"inverse_mass_matrix": -np.ones(2)}, "inverse_mass_matrix must be positive definite"),
    ({"inverse_mass_matrix": np.ones(2) * 1j}, "inverse_mass_matrix must hold numbers"),
    ({"inverse_mass_matrix": np.array([np.nan, 1])}, "inverse_mass_matrix must be finite"),
    ({"inverse_mass_matrix": np.array([[1.0, 2], [0, 1]])}, "inverse_mass_matrix must be finite"),
    ({"inverse_mass_matrix": np.array([[1.0, 2], [2, 1]])}, "must be positive definite"),
    ({"inverse_mass_matrix": [[1, 2], [3]]}, "inverse_mass_matrix must hold numbers"),
    ({"inverse_mass_matrix": {1: 2}}, "got the key 1"),
    ({"inverse_mass_matrix": {(): np.ones(0)}}, "got the key ()"),
    ({"inverse_mass_matrix": {("q",): np.ones(1)}}, "inverse_mass_matrix names 'q'"),
    ({"inverse_mass_matrix": {("mu",): np.ones(3)}}, "for the block ('mu',)"),
    ({"inverse_mass_matrix": {("mu",): "a"}}, "inverse_mass_matrix must hold numbers, got 'a'"),
    ({"inverse_mass_matrix": {("mu", "s"): np.eye(2), "mu": np.eye(1)}}, "got the key 'mu'"),
    ({"dense_mass": [("q",)]}, "dense_mass names 'q'"),
    ({"dense_mass": ["mu", "mu"]}, "dense_mass names 'mu' twice"),
]
"""The same of metrics, for a model with the scalar sites `mu` and `s`."""


def assert_taken_or_refused(kernel, arguments):
    """Insist that whatever is not taken is named."""
    try:
        kernel(**arguments)
    except (TypeError, ValueError) as error:
        said = str(error)
    else:
        return
    assert any(name in said for name in arguments)


def assert_refused(action, said):
    """Insist on an error of the package itself, with `said` in it."""
    with pytest.raises((TypeError, ValueError, NotImplementedError)) as caught:
        action()
    assert said in str(caught.value)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert "fhl_ppl/" in frames[-1].filename.replace("\\", "/")
