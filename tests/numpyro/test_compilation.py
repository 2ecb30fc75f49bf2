"""What a first run costs besides sampling: traces of the model, and programs to compile."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
importorskip("numpyro")

SCRIPT = """
import json, sys
from collections import Counter
import jax, numpyro
from numpyro import distributions as dist
from numpyro.infer import MCMC
from fhl_ppl.numpyro import FHL

seen = Counter()
jax.monitoring.register_event_listener(lambda event, **_: seen.update([event]))
jax.config.update("jax_compilation_cache_dir", sys.argv[1])

def model():
    seen["traces"] += 1
    numpyro.sample("x", dist.Normal(0, 1))

mcmc = MCMC(FHL(model), num_warmup=40, num_samples=20, num_chains=4, chain_method="vectorized")
mcmc.run(jax.random.PRNGKey(0))
print(json.dumps(seen))
"""


def run(directory) -> Counter:
    """What was seen in a process of its own, with its compiled programs kept in `directory`."""
    environment = os.environ | {
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    command = [sys.executable, "-c", SCRIPT, str(directory)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return Counter(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
def test_a_second_process_compiles_nothing_and_the_model_is_traced_four_times(tmp_path):
    first, second = run(tmp_path), run(tmp_path)
    missed = "/jax/compilation_cache/cache_misses"
    assert first[missed] > 0
    assert second["/jax/compilation_cache/cache_hits"] >= first[missed]
    assert second[missed] == 0
    # As by NUTS for its sites, a finite start and the trajectory; and where all particles begin.
    assert first["traces"] <= 4
