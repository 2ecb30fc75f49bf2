"""Other ways to the evidence of the targets of `benchmarks.evidence`.

    pip install -e ".[numpyro,arviz]" "jaxns==2.6.9" harmonic
    python -m benchmarks.evidence_peers --runs 5 [--targets eggbox] [--estimators fhl nested]

Estimators: FHL with `fhl_ppl.log_evidence` (*fhl*); `numpyro.contrib.nested_sampling` as it comes
(*nested*), and with four times the live points and room for ten times the samples (*nested_long*);
the package `harmonic` on draws of FHL and of NUTS (*harmonic_fhl*, *harmonic_nuts*). The columns of
`benchmarks.evidence`, and means over the runs of 1000 evaluations, where a gradient counts as one
energy, and of CPU seconds. What XLA has compiled it keeps for the next run, and the first, which
has to wait for it, is left out of the seconds.
"""

import argparse
import tempfile
import time
import warnings

import jax
import numpy as np

from benchmarks import estimators
from benchmarks.evidence import TARGETS, cells


def measure(name, target, runs):
    """What the estimator finds in each run, and the CPU seconds it took."""
    one = estimators.load(name)(target)
    found, seconds = [], []
    for seed in range(runs):
        begin = time.process_time()
        found.append(one(seed))
        seconds.append(time.process_time() - begin)
    return found, seconds


def row(found, seconds, truth):
    """Cells of a table."""
    value, error, warned, evaluations = (np.array(each) for each in zip(*found, strict=True))
    cost = f"{evaluations.mean() / 1000:.0f} | {np.mean(seconds[1:] or seconds):.1f}"
    return f"{len(found)} | {cells(value, error, warned, truth)} | {cost}"


def keep_compiled(folder):
    """Let JAX keep all that it compiles."""
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--targets", nargs="+", default=list(TARGETS), choices=TARGETS)
    names = list(estimators.MODULES)
    parser.add_argument("--estimators", nargs="+", default=names, choices=names)
    given = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    # Where one speaks for an estimate, the estimator tells.
    warnings.simplefilter("ignore")
    print(
        "| target | by | runs | log Z | found | error | mean z | sd of z | off by | warned | wrong "
        "| 1000 evaluations | CPU s |"
    )
    print("|" + "---|" * 13)
    with tempfile.TemporaryDirectory() as folder:
        keep_compiled(folder)
        for target in given.targets:
            for name in given.estimators:
                found, seconds = measure(name, TARGETS[target], given.runs)
                told = row(found, seconds, TARGETS[target].log_evidence)
                print(f"| {target} | {name} | {told} |", flush=True)


if __name__ == "__main__":
    main()
