"""Each example of the gallery has a title, a quick form, and a picture that is stored."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_can_be_shown(example):
    text = example.read_text()
    assert re.match(r'"""\n?[^\n]+\n={5,}\n', text), "no title"
    assert "--smoke" in text
    assert (ROOT / f"docs/images/gallery/{example.stem}.png").exists()


def test_both_backends_have_examples():
    texts = [example.read_text() for example in EXAMPLES]
    for backend in ("numpyro", "pyro"):
        assert sum(f"from fhl_ppl.{backend} import" in text for text in texts) >= 5
