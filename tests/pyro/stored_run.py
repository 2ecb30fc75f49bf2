"""Runs with a store that are killed: `python -m tests.pyro.stored_run KERNEL FOLDER MOMENT...`.

Every run is a process of its own: one that is let be; one for each moment, when it is killed, all
with one store; and one that ends what these began. A moment is a number of iterations, and what
follows its point the share of a tenth of a second that passes after them. Writes what came out of
the first and the last.
"""

import hashlib
import json
import math
import os
import signal
import sys
import time
import traceback
from pathlib import Path

# Before anything forks, so that no process has to import them again.
import arviz  # noqa: F401
import pyro
import torch
import torch.fx.experimental.proxy_tensor
import zarr  # noqa: F401

import fhl_ppl
from fhl_ppl.pyro import FHL, MCMC
from fhl_ppl.runs import kept
from tests.pyro.small import gaussian, model, noisy


def kernel_of(name):
    if name == "noisy":
        return FHL(potential_fn=gaussian, gradient_fn=noisy, noisy_gradient=True)
    settings = {"low rank": {"dense_mass": "low_rank"}, "charts": {"charts": True}}
    return FHL(model, **settings.get(name, {}))


def one_run(kernel, store, begun):
    # Every block is written, so that many of the moments fall into writing.
    kept.PATIENCE = 0
    seen = []

    def hook(kernel, samples, stage, i):
        seen.append(stage)
        os.write(begun, b"!")
        # As of a model that takes some time.
        time.sleep(0.003)

    start = {"x": torch.linspace(-1.0, 1.0, 16).reshape(8, 2)} if kernel == "noisy" else None
    mcmc = MCMC(
        kernel_of(kernel),
        *(75, 45),
        initial_params=start,
        num_chains=8,
        hook_fn=hook,
        disable_progbar=True,
    )
    pyro.set_rng_seed(0)
    args = () if kernel == "noisy" else (torch.tensor([1.0, 2.0, 3.0, 2.0]),)
    fhl_ppl.run(mcmc, *args, store=store, block=15)
    found = mcmc.diagnostics()
    values = {**mcmc.get_samples(group_by_chain=True), "energy": found["energy"]}
    mark = hashlib.sha256(repr(found["acceptance rate"]).encode())
    for name in sorted(values):
        mark.update(torch.as_tensor(values[name]).numpy().tobytes())
    return {"draws": mark.hexdigest(), "iterations": len(seen)}


def in_a_process(kernel, result, store, kill_after=None):
    """Run in a process of its own; return what came out, and nothing of one that was killed."""
    reads, begun = os.pipe()
    process = os.fork()
    if not process:
        failed = 1
        try:
            result.write_text(json.dumps(one_run(kernel, store, begun)))
            failed = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(failed)
    os.close(begun)
    if kill_after is not None:
        share, count = math.modf(kill_after)
        for _ in range(int(count)):
            os.read(reads, 1)
        time.sleep(share / 10)
        os.kill(process, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.close(reads)
    if status not in ({0} if kill_after is None else {0, -signal.SIGKILL}):
        sys.exit("the run failed")
    return json.loads(result.read_text()) if kill_after is None else None


def main(kernel, folder, *moments):
    result, store = Path(folder, "result.json"), Path(folder, "store")
    undisturbed = in_a_process(kernel, result, None)
    for moment in moments:
        in_a_process(kernel, result, store, float(moment))
    print(json.dumps([undisturbed, in_a_process(kernel, result, store)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
