"""Links of the documents that stand in the repository lead to files and headings that are there."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#]*)(?:#([^)]*))?\)")
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def anchors(text):
    """Those of the headings of a page, as GitHub and Sphinx make them."""
    bare = (re.sub(r"[^\w -]", "", heading.lower()) for heading in HEADING.findall(text))
    return {heading.strip().replace(" ", "-") for heading in bare}


def broken(document, text):
    """Targets that are not there; pages of the gallery are made by Sphinx."""
    found = []
    for target, anchor in LINK.findall(CODE.sub("", text)):
        if re.match(r"(\.\./)?gallery/", target):
            continue
        path = document.parent / target if target else document
        if not path.exists():
            found.append(target)
        elif anchor and anchor not in anchors(CODE.sub("", path.read_text())):
            found.append(f"{target}#{anchor}")
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    assert broken(document, document.read_text()) == []


def test_the_readmes_links_lead_somewhere_in_the_sdist_too():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = pyproject["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    shipped = {path.strip("/") for path in included} | {"LICENSE"}
    links = LINK.findall((ROOT / "README.md").read_text())
    targets = {target.split("/")[0] for target, _ in links if target}
    assert "docs" in targets
    assert targets <= shipped


def test_a_link_that_leads_nowhere_is_noticed():
    text = "[here](docs/index.md), [there](docs/gone.md), [out](https://example.org)"
    text += "[use](#use), [one](docs/index.md#how-to-use-this-guide), [two](docs/index.md#gone)"
    assert broken(ROOT / "README.md", text) == ["docs/gone.md", "docs/index.md#gone"]
