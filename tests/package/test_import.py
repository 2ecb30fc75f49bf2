"""Importing the package is light: no backend is loaded before it is asked for."""

import subprocess
import sys

import pytest

from tests.conftest import importorskip

BACKENDS = {"jax", "jaxlib", "numpyro", "torch", "pyro", "arviz", "matplotlib"}


def loaded_by(module: str) -> set[str]:
    """Backends that a fresh interpreter has loaded after importing `module`."""
    code = f"import sys, {module}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return BACKENDS.intersection(run.stdout.split())


@pytest.mark.parametrize("module", ["fhl_ppl", "fhl_ppl.core"])
def test_import_loads_no_backend(module):
    assert loaded_by(module) == set()


def test_numpyro_adapter_loads_jax_and_no_torch():
    """Also shows that the check above can fail."""
    importorskip("numpyro")
    loaded = loaded_by("fhl_ppl.numpyro")
    assert {"jax", "numpyro"} <= loaded
    assert loaded.isdisjoint({"torch", "pyro"})


def test_pyro_adapter_loads_torch_and_no_jax():
    importorskip("pyro")
    loaded = loaded_by("fhl_ppl.pyro")
    assert {"torch", "pyro"} <= loaded
    assert loaded.isdisjoint({"jax", "jaxlib", "numpyro"})


@pytest.mark.parametrize("name", ["FHL", "MCMC"])
def test_the_package_itself_says_where_the_kernels_are(name):
    with pytest.raises(ImportError, match=r"from fhl_ppl.numpyro import FHL, or from fhl_ppl.pyro"):
        exec(f"from fhl_ppl import {name}")
    with pytest.raises(ImportError, match="cannot import name 'HMC'"):
        exec("from fhl_ppl import HMC")
