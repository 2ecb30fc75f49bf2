"""The kernels' signatures and docstrings are those of the one list of shared arguments."""

import inspect
import re

import pytest

from fhl_ppl.arguments import FORCE, METRIC, arguments_of
from fhl_ppl.options import Options
from tests.conftest import importorskip


def kernel_of(backend):
    importorskip(backend)
    return importorskip(f"fhl_ppl.{backend}").FHL


@pytest.fixture(params=["numpyro", "pyro"])
def kernel(request):
    return kernel_of(request.param)


def test_signatures_have_the_defaults_of_the_list(kernel):
    given = inspect.signature(kernel).parameters
    for argument in arguments_of(Options):
        assert given[argument.name].default == argument.default
        # Pyro's NUTS takes None for the default step size.
        widened = argument.type | None if argument.name == "step_size" else argument.type
        assert given[argument.name].annotation in (argument.type, widened)
    for head, _ in (*FORCE, METRIC):
        assert given[head.split(" : ")[0]].default in {None, False}


def test_every_argument_is_explained_once(kernel):
    section = inspect.getdoc(kernel).split("Parameters\n----------\n")[1].split("\n\nRaises")[0]
    heads = re.findall(r"^(\w[\w, ]*?)(?: :.*)?$", section, re.MULTILINE)
    explained = [name for head in heads for name in head.split(", ")]
    assert sorted(explained) == sorted(inspect.signature(kernel).parameters)


def test_no_place_is_left_open(kernel):
    assert not re.search(r"^ *\{\w+\}$", inspect.getdoc(kernel), re.MULTILINE)
    assert max(map(len, kernel.__doc__.splitlines())) <= 100


def test_shared_text_is_the_same_in_both():
    texts = []
    for backend in ("numpyro", "pyro"):
        doc = inspect.getdoc(kernel_of(backend))
        texts.append(doc[doc.index("group_size : int") : doc.index("inverse_mass_matrix :")])
    assert texts[0] == texts[1]
