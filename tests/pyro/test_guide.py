"""The code of the guide runs as it is printed, but for the numbers of iterations."""

import pytest

from tests.conftest import importorskip

importorskip("pyro")
importorskip("arviz")

from tests import pages

# So few iterations leave much to warn of.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def names():
    return pages.quickstart("pyro")


@pytest.mark.parametrize("page", pages.with_code("pyro"), ids=lambda page: page.stem)
def test_code_of_a_page_runs(page, names):
    pages.run(page, "pyro", names)
