"""10^6 draws of 8 chains to a store: memory, throughput, and a second process that reads beside it.

    python -m benchmarks.long_store [--draws 125000] [--out out/long_store]

A Gaussian of ten dimensions, 8 chains, 125,000 draws each (10^6 together) after a warm-up of 500:
by `fhl_ppl.run` with `store=` and `keep_draws=False`, and, in a process of its own, with the draws
in memory and no store. Memory is what the process has in use after each block: the growth from
a quarter of the draws to the end. Throughput is draws a second of CPU and of wall time between the
tenth block and the end, so without compiling. While the first run goes on, another process opens
the store again and again with `fhl_ppl.open_store` and counts the draws.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path


def rss():
    """Bytes that the process has in use."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def run(draws, store):
    """Run, and print what was seen."""
    import jax
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist
    from numpyro.infer import MCMC

    import fhl_ppl
    from fhl_ppl.numpyro import FHL

    def model():
        numpyro.sample("x", dist.Normal(jnp.zeros(10), jnp.logspace(-1, 1, 10)).to_event(1))

    options = {"num_chains": 8, "chain_method": "vectorized", "progress_bar": False}
    mcmc = MCMC(FHL(model), num_warmup=500, num_samples=draws, **options)
    seen = []

    def callback(status):
        seen.append((status.draws, rss(), time.process_time(), time.monotonic()))

    kept = {"store": store, "keep_draws": False} if store else {}
    fhl_ppl.run(mcmc, jax.random.key(0), callback=callback, **kept)
    begin, quarter, end = seen[min(10, len(seen) // 4)], seen[len(seen) // 4], seen[-1]
    number = 8 * (end[0] - begin[0])
    found = {
        "memory_MiB": round(end[1] / 2**20),
        "growth": end[1] / quarter[1] - 1,
        "draws_per_cpu_s": number / (end[2] - begin[2]),
        "draws_per_s": number / (end[3] - begin[3]),
    }
    print(json.dumps(found))


def watch(store, until):
    """Open the store until it has so many draws; print how often, and what was seen."""
    import numpy as np

    import fhl_ppl

    seen = []
    while not seen or seen[-1] < until:
        time.sleep(1)
        try:
            posterior = fhl_ppl.open_store(store)["posterior"]
        except ValueError as error:
            if "no draws yet" not in str(error):
                raise
            continue
        last = np.asarray(posterior["x"][:, -1])
        assert np.isfinite(last).all()
        seen.append(posterior.sizes["draw"])
    print(json.dumps({"opened": len(seen), "grew": bool((np.diff(seen) >= 0).all())}))


def process(*arguments):
    command = [sys.executable, "-m", "benchmarks.long_store", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def said(child):
    out, _ = child.communicate()
    if child.returncode:
        raise SystemExit(f"{child.args} failed")
    return json.loads(out.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=125_000)
    parser.add_argument("--out", type=Path, default=Path("out/long_store"))
    parser.add_argument("--only", choices=["store", "plain", "watch"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only == "watch":
        return watch(options.out, options.draws)
    if options.only:
        return run(options.draws, options.out if options.only == "store" else None)
    shutil.rmtree(options.out, ignore_errors=True)
    both = ("--draws", options.draws, "--out", options.out)
    # A second reader takes CPU: throughput is compared without one.
    found = {only: said(process(*both, "--only", only)) for only in ("store", "plain")}
    shutil.rmtree(options.out)
    watched = process(*both, "--only", "watch"), process(*both, "--only", "store")
    reader, writer = map(said, watched)
    print("| run | MiB at the end | growth | draws / CPU s | draws / s |")
    print("|---|---|---|---|---|")
    for name, one in {**found, "store, with a reader beside it": writer}.items():
        numbers = f"{one['draws_per_cpu_s']:,.0f} | {one['draws_per_s']:,.0f}"
        print(f"| {name} | {one['memory_MiB']} | {one['growth']:.1%} | {numbers} |")
    print(f"\nA reader opened it {reader['opened']} times, and it only grew: {reader['grew']}.")
    return None


if __name__ == "__main__":
    main()
