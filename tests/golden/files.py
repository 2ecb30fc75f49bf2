"""The golden files: one for the inputs, and one for each scenario with its outputs by name.

Inputs are read and never computed again, as a factorisation or a random stream may come out in
other bits on another processor or with another library. Outputs are compared with a tolerance for
the same reason.
"""

from pathlib import Path

import numpy as np

DATA = Path(__file__).with_name("data")

TOLERANCE = 1e-10
"""Relative to the size of the numbers, for all libraries and processors."""


def path(scenario):
    return DATA / f"{scenario.replace(' ', '_')}.npz"


def load(scenario):
    """Stored arrays of a scenario, or with "inputs" what all of them start from, by name."""
    with np.load(path(scenario)) as stored:
        return dict(stored)


def save(scenario, arrays):
    np.savez_compressed(path(scenario), **arrays)


def assert_golden(outputs, expected, what=""):
    """Compare outputs, given as NumPy arrays, with what is stored."""
    assert set(outputs) == set(expected)
    for name, want in expected.items():
        have = outputs[name]
        assert have.shape == want.shape, name
        assert have.dtype.kind == want.dtype.kind, name
        np.testing.assert_allclose(
            have, want, rtol=TOLERANCE, atol=TOLERANCE, err_msg=f"{name} {what}"
        )


def assert_golden_path(scenario, start, iterate, iterations=None):
    """Compare every iteration, from the stored end of the one before.

    `start()` and `iterate(iteration, arrays)` take and give NumPy arrays by name.
    """
    stored = load(scenario)

    def at(k):
        return {name: value[k] for name, value in stored.items()}

    assert_golden(start(), at(0), "at the start")
    length = len(next(iter(stored.values())))
    for k in range(length - 1) if iterations is None else iterations:
        assert_golden(iterate(k, at(k)), at(k + 1), f"in iteration {k}")
