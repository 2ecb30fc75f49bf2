"""NumPyro's example in the README runs as it stands, but for the numbers of iterations."""

import re

import pytest

from tests.conftest import importorskip

importorskip("numpyro")
importorskip("arviz")

from tests import pages

README = pages.ROOT / "README.md"


# So few iterations leave much to warn of.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_readme_example_runs(capsys):
    names = pages.run(README, "numpyro", {"__name__": "readme"})
    assert names["mcmc"].num_samples == 20
    printed = capsys.readouterr().out
    assert "ess_bulk" in printed
    assert re.search(r"^tau +\d", printed, re.MULTILINE)
