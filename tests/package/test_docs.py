"""What the documents and docstrings name is there."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import fhl_ppl.core

ROOT = Path(__file__).parents[2]


def exists(name):
    """Whether `fhl_ppl.{name}` is a module, or something in one."""
    parts, found = name.split("."), import_module("fhl_ppl")
    for k, part in enumerate(parts):
        try:
            found = import_module("fhl_ppl." + ".".join(parts[: k + 1]))
        except ModuleNotFoundError:
            found = getattr(found, part, None)
        if found is None:
            return False
    return True


@pytest.mark.parametrize(
    "document", ["algorithm", "paper", "benchmarks", "benchmarks-archive", "design"]
)
def test_documents_name_what_there_is(document):
    text = (ROOT / f"docs/{document}.md").read_text()
    names = set(re.findall(r"`(?:fhl_ppl\.)?(core\.[\w.]+\w)`", text))
    assert {name for name in names if not exists(name)} == set()


def test_files_that_are_named_are_there():
    for document in [ROOT / "docs/design.md", *(ROOT / "fhl_ppl/core").glob("*/README.md")]:
        named = re.findall(r"`((?:tests|core)/[\w./]*)`", document.read_text())
        for path in named:
            where = ROOT / ("fhl_ppl" if path.startswith("core") else "") / path
            assert where.exists(), f"{path} in {document.name}"


def test_the_table_of_core_names_what_there_is():
    names = re.findall(r"`([a-z_]+\.[\w.]+)`", fhl_ppl.core.__doc__)
    assert len(names) > 30
    assert [name for name in names if not exists(f"core.{name}")] == []


def test_what_is_gone_is_noticed():
    assert exists("core.sampler.step")
    assert not exists("core.adaptation.metric")
    assert not exists("core.sampler.stride")
