"""Links of the documents that stand in the repository lead to files that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)(?:#[^)]*)?\)")


def broken(document, text):
    """Targets that are not there; pages of the gallery are made by Sphinx."""
    targets = [target for target in LINK.findall(text) if not re.match(r"(\.\./)?gallery/", target)]
    return [target for target in targets if not (document.parent / target).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    assert broken(document, document.read_text()) == []


def test_a_link_that_leads_nowhere_is_noticed():
    text = "[here](docs/index.md#anchor), [there](docs/gone.md), [out](https://example.org)"
    assert broken(ROOT / "README.md", text) == ["docs/gone.md"]
