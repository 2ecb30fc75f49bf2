"""The example in the README runs as it stands."""

import re
from pathlib import Path

from tests.conftest import importorskip

importorskip("numpyro")
importorskip("arviz")

README = Path(__file__).parents[2] / "README.md"


def test_readme_example_runs(capsys):
    (code,) = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    exec(compile(code, README, "exec"), {"__name__": "readme"})
    printed = capsys.readouterr().out
    assert "ess_bulk" in printed
    assert re.search(r"^tau +\d", printed, re.MULTILINE)
