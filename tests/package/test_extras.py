"""A missing optional dependency says which extra brings it."""

import subprocess
import sys

import pytest

from fhl_ppl._extras import require
from tests.conftest import importorskip


def import_without(missing: str, statement: str) -> subprocess.CompletedProcess[str]:
    """Run `statement` in a fresh interpreter in which `missing` cannot be imported."""
    code = f"import sys; sys.modules[{missing!r}] = None; {statement}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("missing", "extra", "statement"),
    [
        ("jax", "numpyro", "import fhl_ppl.numpyro"),
        ("numpyro", "numpyro", "import fhl_ppl.numpyro"),
        ("torch", "pyro", "import fhl_ppl.pyro"),
        ("pyro", "pyro", "import fhl_ppl.pyro"),
        ("arviz", "arviz", "import fhl_ppl; fhl_ppl.to_arviz(None)"),
        ("arviz", "arviz", "import fhl_ppl; fhl_ppl.summary(None)"),
        ("matplotlib", "plots", "import fhl_ppl.plots"),
        ("zarr", "store", "import fhl_ppl; fhl_ppl.open_store('path')"),
        ("zarr", "store", "import fhl_ppl; fhl_ppl.run(None, store='path')"),
        ("arviz", "arviz", "import fhl_ppl; fhl_ppl.run(None, until=fhl_ppl.Until(ess=400))"),
    ],
)
def test_names_the_extra(missing, extra, statement):
    # The check stops at the first module that is missing, so those before it have to be there.
    if missing in {"numpyro", "pyro"}:
        importorskip({"numpyro": "jax", "pyro": "torch"}[missing])
    run = import_without(missing, statement)
    assert run.returncode == 1
    last_line = run.stderr.splitlines()[-1]
    assert last_line == (
        f"ModuleNotFoundError: {missing} is not installed. "
        f'Install it with: pip install "fhl_ppl[{extra}]"'
    )


def test_base_package_needs_no_extra():
    absent = ["jax", "torch", "pyro", "arviz", "scipy", "zarr"]
    statement = f"sys.modules.update(dict.fromkeys({absent})); "
    run = import_without("numpyro", statement + "import fhl_ppl, fhl_ppl.core")
    assert run.returncode == 0, run.stderr


def test_a_broken_module_keeps_its_own_error(tmp_path, monkeypatch):
    """Installing the extra again would not mend it, so the message must not say so."""
    (tmp_path / "broken_backend.py").write_text("import a_dependency_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_dependency_that_is_not_there") as caught:
        require("numpyro", "broken_backend")
    assert "pip install" not in str(caught.value)
