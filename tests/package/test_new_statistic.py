"""A new entry in the list of statistics is all that it takes to have one everywhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import importorskip

ROOT = Path(__file__).parents[2]
ENTRY = 'Statistic("is_pulled", "Whether the pull acted.", dtype=bool),'
RUN = {
    "numpyro": """
import jax
from numpyro.infer import MCMC
from fhl_ppl.numpyro import FHL, FHLState
kernel = FHL(potential_fn=lambda x: x @ x / 2, num_steps=1, adapt_mass_matrix=False)
mcmc = MCMC(kernel, num_warmup=2, num_samples=5, num_chains=4, chain_method="vectorized",
            progress_bar=False)
mcmc.run(jax.random.key(0), init_params=jax.numpy.zeros((4, 2)))
assert mcmc.get_extra_fields(group_by_chain=True)["is_pulled"].shape == (4, 5)
doc = FHLState.__doc__
""",
    "pyro": """
import torch
from fhl_ppl.pyro import FHL, MCMC
kernel = FHL(potential_fn=lambda z: (z["x"] ** 2).sum() / 2, num_steps=1)
mcmc = MCMC(kernel, 5, 2, {"x": torch.zeros(4, 2)}, num_chains=4, disable_progbar=True)
mcmc.run()
assert mcmc.diagnostics()["is_pulled"].shape == (4, 5)
doc = MCMC.diagnostics.__doc__
""",
}
REST = """
import fhl_ppl
statistic = fhl_ppl.to_arviz(mcmc)["sample_stats"]["is_pulled"]
assert statistic.shape == (4, 5) and statistic.dtype == bool
assert "Whether the pull acted." in doc and "is_pulled" in fhl_ppl.to_arviz.__doc__
print("found in", fhl_ppl.__file__)
"""


@pytest.mark.parametrize("backend", RUN)
def test_both_adapters_and_arviz_have_it(tmp_path, backend):
    importorskip(backend)
    importorskip("arviz")
    shutil.copytree(ROOT / "fhl_ppl", tmp_path / "fhl_ppl")
    file = tmp_path / "fhl_ppl/core/statistics.py"
    before = file.read_text()
    after = before.replace("STATISTICS = (\n", f"STATISTICS = (\n    {ENTRY}\n")
    assert after != before
    file.write_text(after)
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", RUN[backend] + REST]
    run = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert f"found in {tmp_path}" in run.stdout, run.stderr
