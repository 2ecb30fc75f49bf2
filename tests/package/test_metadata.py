"""What a release consists of, read from a wheel built from these files."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

import fhl_ppl
from tests.conftest import importorskip

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    importorskip("hatchling")
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    (path,) = target.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def test_wheel_holds_the_package_and_nothing_else(wheel):
    names = wheel.namelist()
    assert "fhl_ppl/py.typed" in names
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "fhl_ppl").rglob("*.py")}
    assert sources <= set(names)
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"fhl_ppl", f"fhl_ppl-{fhl_ppl.__version__}.dist-info"}


def test_sdist_has_the_sources_of_the_guide_and_the_tests(tmp_path):
    importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    (path,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    kinds = {"docs": "*.md", "docs/images": "*.png", "tests": "*.py", "examples": "*.py"}
    for folder, kind in kinds.items():
        there = {str(file.relative_to(ROOT)) for file in (ROOT / folder).rglob(kind)}
        assert there
        assert there <= names
    assert {"Makefile", "CHANGELOG.md", "constraints/python-3.11.txt"} <= names


def test_wheel_carries_the_licence(wheel, metadata):
    assert metadata["License-Expression"] == "Apache-2.0"
    (name,) = (name for name in wheel.namelist() if name.endswith("/licenses/LICENSE"))
    assert "Version 2.0, January 2004" in wheel.read(name).decode()


def test_version_is_the_same_everywhere(metadata):
    yaml = importorskip("yaml")
    assert metadata["Version"] == fhl_ppl.__version__
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert str(citation["version"]) == fhl_ppl.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## \[{re.escape(fhl_ppl.__version__)}\]", changelog, re.MULTILINE)


def test_base_dependencies_bring_no_backend(metadata):
    base = {
        re.split(r"[^\w.-]", requirement)[0]
        for requirement in metadata.get_all("Requires-Dist")
        if "extra ==" not in requirement
    }
    assert base == {"array-api-compat", "numpy"}


def test_ranges_have_no_upper_bound():
    """An upper bound in a library locks its users out of fixes; pins belong in constraints/."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    requirements = [*project["dependencies"], *(one for extra in extras for one in extra)]
    assert not [one for one in requirements if re.search(r"<|==|~=", one)]


def test_citation_has_what_the_format_requires():
    yaml = importorskip("yaml")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    (paper,) = citation["references"]
    assert {"type", "title", "authors"} <= paper.keys()
    assert paper["title"].startswith("Follow Hamiltonian Leader")
