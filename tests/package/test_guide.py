"""What the guide lists is complete, and none of its code goes unrun."""

import inspect
import re

import pytest

from tests import pages
from tests.conftest import importorskip

LANGUAGES = {"python", "sh", "text", "{toctree}", "{eval-rst}"}
INCLUDES = {"{include} ../CHANGELOG.md", "{include} ../CONTRIBUTING.md"}
README = pages.ROOT / "README.md"
ALL = sorted([README, pages.ROOT / "CONTRIBUTING.md", *pages.DOCS.rglob("*.md")])
NUTS = {"numpyro": "numpyro.infer", "pyro": "pyro.infer"}


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.stem)
def test_all_code_is_run_or_no_python(page):
    text = page.read_text()
    languages = {language for language, _ in pages.FENCE.findall(text)}
    assert languages <= LANGUAGES | INCLUDES
    assert "python" not in languages or page in [README, *pages.GUIDE]
    assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(pages.FENCE.findall(text))
    list(pages.blocks(text))


def test_iterations_are_replaced_and_the_rest_is_not():
    few = pages.ITERATIONS.sub(r"\1=20", "MCMC(k, num_samples=1_000, num_chains=8)")
    assert few == "MCMC(k, num_samples=20, num_chains=8)"


def test_code_belongs_to_the_backend_that_was_named_last():
    text = "```python\nimport pyro\n```\n```python\nx = 1\n```\n```python\nimport numpyro\n```\n"
    assert [backend for backend, _ in pages.blocks(text)] == ["pyro", "pyro", "numpyro"]


def rows_of(section):
    """Names in the first column of the tables of a section of From NUTS to FHL."""
    text = (pages.ROOT / "docs/from-nuts.md").read_text()
    (part,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    cells = re.findall(r"^\|([^|]*)\|", part, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


@pytest.mark.parametrize(("backend", "section"), [("numpyro", "NumPyro"), ("pyro", "Pyro")])
def test_no_argument_of_nuts_is_missing(backend, section):
    importorskip(backend)
    nuts = set(inspect.signature(importorskip(NUTS[backend]).NUTS).parameters)
    assert nuts <= rows_of(section)
    # A row that is taken out is missed.
    assert not nuts <= rows_of(section) - {"target_accept_prob"}


@pytest.mark.parametrize("package", ["fhl_ppl", "fhl_ppl.numpyro", "fhl_ppl.plots", "fhl_ppl.pyro"])
def test_the_reference_has_every_public_name(package):
    needs = {"fhl_ppl": "numpy", "fhl_ppl.plots": "matplotlib"}
    importorskip(needs.get(package, package.removeprefix("fhl_ppl.")))
    text = (pages.ROOT / "docs/api.md").read_text()
    entry = rf"auto(?:class|function):: {re.escape(package)}\.(\w+)$"
    listed = re.findall(entry, text, re.MULTILINE)
    module = importorskip(package)
    public = [name for name in module.__all__ if not name.startswith("__")]
    assert sorted(listed) == sorted(public)
    assert all(inspect.getdoc(getattr(module, name)) for name in public)


def said_of(page):
    """What the first column of its tables quotes, in parts between what varies."""
    cells = re.findall(r"^\|([^|]*)\|", page.read_text(), re.MULTILINE)
    quoted = [text for cell in cells for text in re.findall(r"`([^`]+)`", cell)]
    parts = [re.split(r"\.\.\.|^r_hat\w*|[\d.]+$", text) for text in quoted]
    return [part.strip() for each in parts for part in each if part.strip()]


def test_the_warnings_that_are_explained_are_given():
    source = "\n".join(path.read_text() for path in (pages.ROOT / "fhl_ppl").rglob("*.py"))
    # Sentences are put together from lines.
    source = re.sub(r"[\"']\s*\n\s*f?[\"']", "", source)
    said = said_of(pages.ROOT / "docs/how-to/warnings.md")
    assert len(said) > 20
    assert [part for part in said if part not in source] == []
    assert "never moved an inch" not in source
