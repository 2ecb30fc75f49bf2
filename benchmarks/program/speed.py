"""CPU seconds of the NumPyro kernel on one posterior, in a fresh process: prints a line of JSON.

    python benchmarks/program/speed.py POSTERIOR

Run by path, with the package of the commit under study.
"""

import json
import resource
import sys
from itertools import pairwise

import jax
from jax import random

from benchmarks import posteriors
from benchmarks.posteriors.models import MODELS
from fhl_ppl.numpyro import FHL

CHAINS, WARMUP, DRAWS = 16, 200, 200


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(name):
    jax.config.update("jax_enable_x64", True)
    kernel = FHL(MODELS[name](posteriors.load(name)[0]))
    keys = random.split(random.PRNGKey(0), CHAINS)
    looks = [cpu()]
    state = jax.block_until_ready(kernel.init(keys, WARMUP, None))
    looks.append(cpu())

    @jax.jit
    def run(state):
        def iteration(state, _):
            state = kernel.sample(state, (), {})
            return state, state.n_steps[0]

        return jax.lax.scan(iteration, state, None, length=WARMUP + DRAWS)

    compiled = run.lower(state).compile()
    looks.append(cpu())
    _, steps = jax.block_until_ready(compiled(state))
    looks.append(cpu())
    start, compilation, running = (b - a for a, b in pairwise(looks))
    times = {"start": start, "compile": compilation, "run": running}
    print(json.dumps(times | {"gradients": int(steps.sum())}))


if __name__ == "__main__":
    main(*sys.argv[1:])
