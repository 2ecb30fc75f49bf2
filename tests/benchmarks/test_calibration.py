"""Ranks of the truth are uniform, and those of a kernel that is wrong are not.

The tests have a false-alarm rate of .001 for each quantity, with fixed seeds.
"""

import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
importorskip("numpyro")
importorskip("scipy")

from numpyro import handlers

from benchmarks.calibration import ranks as ranks_module
from benchmarks.calibration import rows
from benchmarks.calibration.ranks import ranks
from benchmarks.calibration.uniform import p_values
from fhl_ppl.numpyro import FHL

FEW = 100


class Sharp(FHL):
    """Takes the density to the fourth power."""

    def __init__(self, model, **settings):
        super().__init__(handlers.scale(model, scale=4.0), jumps=False, **settings)


def test_the_kernel_is_calibrated():
    with jax.enable_x64(True):
        found = p_values(ranks("conjugate", "default", FEW))
    assert min(found.values()) > 1e-3, found


def test_a_kernel_that_is_too_sure_is_caught():
    with jax.enable_x64(True):
        found = p_values(ranks("conjugate", "default", FEW, kernel=Sharp))
    assert min(found.values()) < 1e-3, found


@pytest.mark.slow
@pytest.mark.parametrize("case", ["mixture", "simplex"])
def test_other_models_are_calibrated(case):
    with jax.enable_x64(True):
        found = p_values(ranks(case, "default", FEW))
    assert min(found.values()) > 1e-3, found


def test_a_run_that_is_stopped_has_places_too():
    with jax.enable_x64(True):
        (found,) = ranks_module.each_rank("conjugate", "until", range(3, 4))
    assert set(found) == {"mu", "log density"}
    assert all(0 < place < 1 for place in found.values())


def test_ranks_are_kept_and_gone_on_with(tmp_path, monkeypatch):
    """Replication number n is the same whenever it is run."""
    asked = []

    def each_rank(case, setting, numbers):
        asked.extend(numbers)
        yield from ({"mu": number / 100} for number in numbers)

    monkeypatch.setattr(ranks_module, "each_rank", each_rank)
    row = ("default", "conjugate")
    for number in (12, 12, 15):
        rows.run(tmp_path, row, number)
    assert asked == list(range(15))
    assert [one["mu"] for one in rows.known(tmp_path, row)] == [n / 100 for n in range(15)]
