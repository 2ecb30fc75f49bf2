"""FHL on one posterior with several seeds: prints a line of JSON for each.

Runs with the packages of whichever checkout is on the path, and compiles once.
"""

import json
import sys
import warnings

import jax
import numpy as np

from benchmarks import measures, posteriors, samplers
from benchmarks.posteriors.models import MODELS
from benchmarks.protocols import PROTOCOLS

jax.config.update("jax_enable_x64", True)
warnings.simplefilter("ignore")
name, seeds = sys.argv[1], sys.argv[2:]
protocol, entry = PROTOCOLS["standard"], samplers.load("fhl")
data, reference = posteriors.load(name)
sites = sorted({posteriors.site(name) for name in reference.names})
size = entry.size(protocol.size, len(reference.names))
sampler = entry.build(MODELS[name](data), size, sites)
key = jax.random.PRNGKey(0)
start = jax.jit(sampler.start).lower(key).compile()
advance = jax.jit(sampler.advance).lower(jax.eval_shape(sampler.start, key)[0]).compile()
for seed in seeds:
    began, in_warmup = start(jax.random.PRNGKey(int(seed)))
    drawn = jax.tree.map(np.asarray, advance(began)[1])
    gradients = float(in_warmup), float(drawn[1].sum())
    judged = measures.judge(posteriors.gather(drawn[0], reference.names), reference)
    row = {"warmup": gradients[0], "all": sum(gradients), "ess": 1000 * judged["ess"]}
    row = {"seed": int(seed), "chains": size.chains} | row
    row["ess"] /= row["all"]
    print(json.dumps(row | {"z": judged["z"], "rhat": judged["rhat"]}, default=float), flush=True)
