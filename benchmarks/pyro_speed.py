"""FHL beside pyro.infer.NUTS: effective draws per CPU second, both in one run, warm-up counted.

    python benchmarks/pyro_speed.py --models FOLDER [--limit 75] [--json FILE] [NAME ...]

FOLDER holds models_pyro.py (MODELS[name](data) is a Pyro model of the posterior of that name). NUTS
runs one chain, with a warm-up that fits in half of the limit, and draws until the limit: CPU
seconds, whatever it has reached by then ("cut").
FHL runs N chains in one process. One thread; the time of imports is not counted on either side.

ess       the lowest bulk ESS of any x and x^2
ess/s     per CPU second of set-up, recording, warm-up and sampling
ratio     FHL's ess/s over that of NUTS
z         the largest |z| of any mean of x and x^2 against the reference
rhat      the largest R-hat
step/bare CPU time of the sampling phase per leapfrog step, over that of one batched gradient that
          is repeated at one place, with everything in the processor's cache
step/own  the same, over that of a gradient among all else that an iteration does
"""

import argparse
import json
import sys
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pyro
import torch
import torch._dynamo  # torch.func loads it at the first gradient, in seconds that are no one's
from pyro import poutine
from pyro.infer import MCMC as PyroMCMC
from pyro.infer import NUTS

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import posteriors
from benchmarks.measures import judge
from fhl_ppl.pyro import FHL, MCMC
from fhl_ppl.pyro.batching.batchable import batchable_operations
from fhl_ppl.pyro.run.chains import constrained

POSTERIORS = (
    *("eight_schools", "arK", "german_logistic", "gp_regr"),
    *("garch", "nes2000", "hmm_example", "radon_mn"),
)
FEWEST = 40
"""Draws that NUTS has to reach for an ESS to mean anything."""


class TimeUp(Exception):
    pass


def run_nuts(model, warmup, draws, limit):
    """One chain; returns (sites [1, draw, ...] or None if too few, CPU seconds, whether cut)."""
    kept = []
    start = time.process_time()

    def hook(kernel, sites, stage, i):
        if stage.startswith("Sample"):
            kept.append({name: value.detach().clone() for name, value in sites.items()})
        if time.process_time() - start > limit:
            raise TimeUp

    kernel, cut = NUTS(model), False
    mcmc = PyroMCMC(kernel, draws, warmup, hook_fn=hook, disable_progbar=True)
    try:
        mcmc.run()
    except TimeUp:
        cut = True
    seconds = time.process_time() - start
    if len(kept) < FEWEST:
        return None, seconds, cut
    sites = {name: torch.stack([row[name] for row in kept])[None] for name in kept[0]}
    return constrained(sites, kernel.transforms), seconds, cut


def measure_nuts(model, limit, draws):
    pyro.set_rng_seed(0)
    _, pilot, cut = run_nuts(model, 20, 20, limit / 4)
    # The first iterations of a warm-up are the dearest, so this overstates.
    warmup = 50 if cut else int(np.clip(limit / 2 / (pilot / 40), 50, draws))
    pyro.set_rng_seed(1)
    sites, seconds, cut = run_nuts(model, warmup, draws, limit)
    return {"sites": sites, "seconds": seconds, "cut": cut, "warmup": warmup}


def measure_fhl(model, num_chains, warmup, draws, settings):
    marks, own = [], []

    def timed(evaluate, position):
        before = time.process_time()
        result = evaluate(position)
        own.append(time.process_time() - before)
        return result

    def hook(kernel, sites, stage, i):
        if (stage, i) in (("Sample", 0), ("Sample", draws - 1)):
            marks.append(time.process_time())
        if (stage, i) == ("Sample", 0):
            potential = kernel._chains.engine.potential
            potential.energy_and_gradient = partial(timed, potential.energy_and_gradient)

    pyro.set_rng_seed(1)
    start = time.process_time()
    mcmc = MCMC(FHL(model, **settings), draws, warmup, None, num_chains, hook, disable_progbar=True)
    mcmc.run()
    seconds = time.process_time() - start
    steps = mcmc.diagnostics()["n_steps"][0, 1:].sum()
    engine = mcmc._chains.engine
    position = engine.arrays.tensor(engine.state.position)
    evaluate = engine.potential.energy_and_gradient.args[0]
    bare = []
    for _ in range(200):
        before = time.process_time()
        evaluate(position)
        bare.append(time.process_time() - before)
    return {
        "sites": mcmc.get_samples(group_by_chain=True),
        "seconds": seconds,
        "overhead": (marks[1] - marks[0]) / steps / np.median(bare),
        "own": (marks[1] - marks[0]) / sum(own),
        "bare_ms": 1e3 * np.median(bare),
        "steps": mcmc.diagnostics()["n_steps"].mean(),
        "rung": engine.potential.rung,
    }


def with_deterministic(model, sites):
    """Add the deterministic sites, which Pyro does not collect."""
    trace = poutine.trace(model).get_trace()
    wanted = [
        name
        for name, node in trace.nodes.items()
        if node["type"] == "sample" and node["infer"].get("_deterministic")
    ]
    if not wanted:
        return sites
    shape = next(iter(sites.values())).shape[:2]
    flat = {name: value.flatten(0, 1) for name, value in sites.items()}

    def replay(values):
        found = poutine.trace(poutine.condition(model, values)).get_trace()
        return {name: found.nodes[name]["value"] for name in wanted}

    with batchable_operations():
        extra = torch.func.vmap(replay)(flat)
    return {**sites, **{name: value.unflatten(0, shape) for name, value in extra.items()}}


def line(name, side, row):
    def number(key, form):
        return format(row[key], form) if key in row else ""

    print(
        f"{name[:14]:14} {side:7} {number('ess', '8.0f'):>8} {row['seconds']:7.1f} "
        f"{number('rate', '9.2f'):>9} {number('ratio', '8.1f'):>8} {number('z', '5.1f'):>5} "
        f"{number('rhat', '6.3f'):>6} {number('steps', '6.1f'):>6} {number('bare_ms', '8.3f'):>8} "
        f"{number('overhead', '9.2f'):>9} {number('own', '8.2f'):>8} {row.get('note', '')}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=POSTERIORS)
    parser.add_argument("--models", required=True)
    parser.add_argument(
        "--limit", type=float, default=75.0, help="CPU seconds for NUTS, 0: without"
    )
    parser.add_argument("--nuts-draws", type=int, default=1000)
    parser.add_argument("--many", type=int, nargs=3, default=(64, 300, 300), metavar="INT")
    parser.add_argument("--few", type=int, nargs=3, default=(4, 1000, 1000), metavar="INT")
    parser.add_argument(
        "--num-steps",
        type=int,
        help="leapfrog steps in every iteration, and no jumps: what a step costs by itself",
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    sys.path.insert(0, options.models)
    from models_pyro import MODELS

    settings = {}
    if options.num_steps is not None:
        settings = {"num_steps": options.num_steps, "jumps": False}
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    warnings.simplefilter("ignore")
    heads = (
        "ess",
        "seconds",
        "ess/s",
        "ratio",
        "z",
        "rhat",
        "L",
        "bare_ms",
        "step/bare",
        "step/own",
    )
    widths = (8, 7, 9, 8, 5, 6, 6, 8, 9, 8)
    print(" " * 22, *(head.rjust(width) for head, width in zip(heads, widths, strict=True)))
    results = []
    for short in options.names:
        (name,) = posteriors.select([short])
        data, reference = posteriors.load(name)
        model = MODELS[name](data)
        sides = {}
        if options.limit > 0:
            sides["NUTS"] = measure_nuts(model, options.limit, options.nuts_draws)
        for num_chains, warmup, draws in (options.many, options.few):
            sides[f"FHL {num_chains}"] = measure_fhl(model, num_chains, warmup, draws, settings)
        for side, row in sides.items():
            sites = row.pop("sites")
            if sites is not None:
                draws = posteriors.gather(with_deterministic(model, sites), reference.names)
                row.update(judge(draws, reference), draws=draws.shape[1])
                row["rate"] = row["ess"] / row["seconds"]
            if side == "NUTS":
                row["note"] = f"{row['warmup']} + {row.get('draws', 0)}" + " cut" * row["cut"]
            elif "rate" in row and "rate" in sides.get("NUTS", {}):
                row["ratio"] = row["rate"] / sides["NUTS"]["rate"]
            line(short, side, row)
            results.append({"posterior": name, "side": side, **row})
    for side in (f"FHL {options.many[0]}", f"FHL {options.few[0]}"):
        ratios = [row["ratio"] for row in results if row["side"] == side and "ratio" in row]
        rows = [row for row in results if row["side"] == side]
        overhead, own = (
            np.exp(np.mean(np.log([row[name] for row in rows]))) for name in ("overhead", "own")
        )
        print(
            f"{side}: geometric mean ratio {np.exp(np.mean(np.log(ratios))):.1f} "
            f"({len(ratios)} posteriors), step/bare {overhead:.2f}, step/own {own:.2f}"
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=1, default=float))


if __name__ == "__main__":
    main()
