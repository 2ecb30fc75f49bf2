"""Whether runs that are killed again and again have the draws of one that is let be.

    python -m benchmarks.kills [--kills 25] [--backends numpyro pyro] [--seed 0] [--out out/kills]

Eight schools, 8 chains, a warm-up of 500 that may end early and 2000 draws, with a store that is
written after every block. A process draws undisturbed. Then one process after the other goes on
from one store and gets a SIGKILL at a random moment of its run, so many times; the last is let be.
The table has, for each library, in how many kills nothing had been stored yet, in warm-up and among
the draws; iterations that were made in all beyond those of the undisturbed run, which are those of
unfinished blocks, and whether the final draws and statistics are the same, bit for bit.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

BLOCK = 50
EFFECT = [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]
ERROR = [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]
COUNTS = {"num_warmup": 500, "num_samples": 2000}


def numpyro_run():
    import jax
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist
    from numpyro.infer import MCMC

    from fhl_ppl.numpyro import FHL

    def model(error, effect):
        mu = numpyro.sample("mu", dist.Normal(0, 5))
        tau = numpyro.sample("tau", dist.HalfCauchy(5))
        eta = numpyro.sample("eta", dist.Normal(0, 1).expand([8]).to_event(1))
        numpyro.sample("y", dist.Normal(mu + tau * eta, error).to_event(1), obs=effect)

    options = {"chain_method": "vectorized", "progress_bar": False, **COUNTS}
    mcmc = MCMC(FHL(model), num_chains=8, **options)
    return mcmc, (jax.random.key(0), jnp.array(ERROR), jnp.array(EFFECT))


def pyro_run():
    import pyro
    import pyro.distributions as dist
    import torch

    from fhl_ppl.pyro import FHL, MCMC

    def model(error, effect):
        mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
        tau = pyro.sample("tau", dist.HalfCauchy(5.0))
        eta = pyro.sample("eta", dist.Normal(0.0, 1.0).expand([8]).to_event(1))
        pyro.sample("y", dist.Normal(mu + tau * eta, error).to_event(1), obs=effect)

    pyro.set_rng_seed(0)
    counts = {"num_samples": COUNTS["num_samples"], "warmup_steps": COUNTS["num_warmup"]}
    mcmc = MCMC(FHL(model), num_chains=8, disable_progbar=True, **counts)
    return mcmc, (torch.tensor(ERROR), torch.tensor(EFFECT))


def run(backend, store):
    """What a process does: a line when it begins, and one for each block."""
    import fhl_ppl
    from fhl_ppl.runs import kept

    kept.PATIENCE = 0
    mcmc, args = {"numpyro": numpyro_run, "pyro": pyro_run}[backend]()
    said = kept.Kept.add

    def say(self, block):
        said(self, block)
        print("block", flush=True)

    kept.Kept.add = say
    options = {"store": store, "block": BLOCK, "early_warmup": True}
    fhl_ppl.run(mcmc, *args, progress=False, **options)


def process(backend, store, kill_after=None, share=0.0):
    """Run; kill it so many blocks after it begins and a share of a block later. Counts blocks."""
    command = [sys.executable, "-m", "benchmarks.kills", "--run", backend, str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        blocks, times = 0, []
        for _ in child.stdout:
            blocks += 1
            times.append(time.monotonic())
            if blocks == kill_after:
                # What a block took, but for the first, which may be compiled.
                took = np.median(np.diff(times)) if blocks > 2 else 0.1
                time.sleep(share * took)
                os.kill(child.pid, signal.SIGKILL)
                break
        blocks += len(child.stdout.readlines())
        child.wait()
    if kill_after is None and child.returncode:
        raise SystemExit(f"the run of {backend} failed")
    return blocks


def digest(store):
    """Of all draws and statistics."""
    import fhl_ppl

    data, mark = fhl_ppl.open_store(store), hashlib.sha256()
    for group in ("posterior", "sample_stats"):
        for name in sorted(data[group].data_vars):
            mark.update(np.ascontiguousarray(data[group][name].values).tobytes())
    return mark.hexdigest()


def where(store):
    """How far a run has come that was killed."""
    from fhl_ppl.runs.store import Store

    found = Store(store)
    return "nothing" if found.found is None else "draws" if found.draws else "warm-up"


def row(backend, kills, seed, out):
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    blocks, rng = process(backend, out / "plain"), random.Random(seed)
    seen = {"nothing": 0, "warm-up": 0, "draws": 0}
    done = 0
    for _ in range(kills):
        done += process(backend, out / "killed", rng.randint(1, 2), rng.random() * 1.5)
        seen[where(out / "killed")] += 1
    done += process(backend, out / "killed")
    same = digest(out / "plain") == digest(out / "killed")
    cells = (backend, kills, *seen.values(), BLOCK * (done - blocks), "yes" if same else "NO")
    return "| " + " | ".join(map(str, cells)) + " |", same


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=25, help="of each library")
    parser.add_argument("--backends", nargs="*", default=["numpyro", "pyro"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/kills"))
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        return run(*options.run)
    print("| library | kills | before anything | in warm-up | among draws | repeated | same bits |")
    print("|---|---|---|---|---|---|---|")
    outcomes = []
    for backend in options.backends:
        text, same = row(backend, options.kills, options.seed, options.out / backend)
        print(text, flush=True)
        outcomes.append(same)
    return sys.exit(not all(outcomes))


if __name__ == "__main__":
    main()
