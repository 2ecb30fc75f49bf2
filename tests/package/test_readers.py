"""Functions that take an `MCMC` say so to those who hand over something else."""

import pytest

from tests.conftest import importorskip

importorskip("arviz")
importorskip("matplotlib")

import fhl_ppl
from fhl_ppl import plots
from tests.bad_input import assert_refused
from tests.readers import NO_MCMC, READERS


def test_the_table_is_whole():
    names = {name for name in fhl_ppl.__all__ if name.islower() and not name.startswith("_")}
    assert names - {"run", "stream", "open_store"} <= READERS.keys()
    assert set(plots.__all__) - {"modes"} <= READERS.keys()


@pytest.mark.parametrize("value", NO_MCMC, ids=lambda value: type(value).__name__)
def test_what_is_no_mcmc_is_refused(value):
    said = "must be a numpyro.infer.MCMC, a pyro.infer.MCMC or a fhl_ppl.pyro.MCMC"
    for name, read in READERS.items():
        what = "mcmc" if name in ("to_arviz", "log_evidence") else "data"
        assert_refused(lambda read=read: read(value), f"{what} {said}")
    for run in (fhl_ppl.run, fhl_ppl.stream):
        assert_refused(lambda run=run: run(value), f"mcmc {said}")
