"""The code of the guide runs as it is printed, but for the numbers of iterations."""

import pytest

from tests.conftest import importorskip

importorskip("numpyro")
importorskip("arviz")

from tests import pages

# So few iterations leave much to warn of.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def names():
    return pages.quickstart("numpyro")


SLOW = {"inside-gibbs"}
"""Pages whose models take long to compile, by code that other tests cover."""


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.stem, marks=[pytest.mark.slow] * (page.stem in SLOW))
        for page in pages.with_code("numpyro")
    ],
)
def test_code_of_a_page_runs(page, names):
    pages.run(page, "numpyro", names)
