"""The demo runs from the command line; shortened, as its output is for people to read."""

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import importorskip

importorskip("numpyro")
importorskip("arviz")
importorskip("matplotlib")

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_eight_schools_compares_both_kernels(tmp_path):
    picture = tmp_path / "new folder" / "eight_schools.png"
    command = [sys.executable, str(EXAMPLES / "eight_schools.py"), "--out", str(picture)]
    command += ["--num-warmup", "150", "--num-samples", "100"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    for row in ("theta\\[Choate\\]", "tau"):
        assert len(re.findall(rf"^{row} ", run.stdout, re.MULTILINE)) == 2
    for row in ("gradients in warm-up", "gradients in sampling"):
        counts = re.search(rf"^{row} +([\d,]+) +([\d,]+)$", run.stdout, re.MULTILINE)
        assert counts is not None, run.stdout
        # Every draw of every chain costs at least one gradient.
        assert min(int(count.replace(",", "")) for count in counts.groups()) >= 400
    assert picture.read_bytes().startswith(b"\x89PNG")
