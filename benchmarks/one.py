"""One sampler on one posterior with one seed, in a process of its own: prints a line of JSON.

    python -m benchmarks.one '{"protocol": "standard", "sampler": "fhl", "posterior": ..., ...}'

`benchmarks.peers` starts it; a limit on CPU time makes the system end it.
"""

import json
import resource
import signal
import sys
import time
import warnings
from importlib.metadata import version
from statistics import median

LIBRARIES = ("fhl-ppl", "numpyro", "blackjax", "nutpie", "jax", "jaxlib", "numpy", "arviz")


class Stopwatch:
    """CPU and wall seconds since the last look."""

    def __init__(self):
        self.look()

    def look(self):
        previous = getattr(self, "now", (0.0, 0.0))
        self.now = (time.process_time(), time.perf_counter())
        return {
            key: now - before
            for key, now, before in zip(("cpu", "wall"), self.now, previous, strict=True)
        }


def limit_cpu(seconds):
    """Let the system end the process, without a core dump, when its CPU time is up."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)


def installed(name):
    """Version of a library; this one may be run from its sources."""
    if name == "fhl-ppl":
        from fhl_ppl import __version__

        return __version__
    return version(name)


def compile_both(sampler, key):
    import jax

    start = jax.jit(sampler.start).lower(key).compile()
    state, _ = jax.eval_shape(sampler.start, key)
    return start, jax.jit(sampler.advance).lower(state).compile()


def repeated(work, watch, first, enough=1.0):
    """Median of repetitions, which a few milliseconds need, until they make a second together."""
    import jax

    times = [first]
    while sum(time["wall"] for time in times) < enough:
        watch.look()
        jax.block_until_ready(work())
        times.append(watch.look())
    return {key: median(time[key] for time in times) for key in first}


def run(job):
    import jax
    import numpy as np

    from benchmarks import posteriors, samplers
    from benchmarks.posteriors.models import MODELS
    from benchmarks.protocols import PROTOCOLS

    jax.config.update("jax_enable_x64", True)
    warnings.simplefilter("ignore")
    protocol, entry = PROTOCOLS[job["protocol"]], samplers.load(job["sampler"])
    data, reference = posteriors.load(job["posterior"])
    sites = sorted({posteriors.site(name) for name in reference.names})
    size = entry.size(protocol.size, len(reference.names))
    sampler = entry.build(MODELS[job["posterior"]](data), size, sites)
    key = jax.random.PRNGKey(job["seed"])

    watch = Stopwatch()
    start, advance = compile_both(sampler, key) if entry.is_compiled else sampler
    seconds = {"compile": watch.look()}
    began, warm_gradients = jax.block_until_ready(start(key))
    seconds["warmup"] = watch.look()
    state, drawn = jax.block_until_ready(advance(began))
    seconds["draws"] = watch.look()
    seconds["process"] = {"cpu": watch.now[0], "wall": time.time() - job["started"]}
    seconds["warmup"] = repeated(lambda: start(key), watch, seconds["warmup"])
    seconds["draws"] = repeated(lambda: advance(began), watch, seconds["draws"])

    # Only now, as loading it is no part of what a sampler takes.
    from benchmarks import measures

    def measured(drawn):
        sites, gradients, divergent = jax.tree.map(np.asarray, drawn)
        return posteriors.gather(sites, reference.names), gradients, int(divergent.sum())

    draws, gradients, divergent = measured(drawn)
    row = {
        "chains": size.chains,
        "iterations": {"warmup": size.warmup, "draws": size.draws},
        "settings": entry.settings,
        "gradients": {"warmup": float(warm_gradients), "draws": float(gradients.sum())},
        "divergent": divergent,
        "timed": entry.is_compiled,
        "seconds": seconds,
    }
    if protocol.error_limit is None:
        row |= measures.judge(draws, reference)
    else:
        trace = measures.ErrorTrace.empty().extend(draws, gradients, reference)
        # Twice as far as where it went below, so that "stays" is more than a moment.
        while trace.gradients < protocol.error_limit and not (
            trace.settled() and trace.gradients > 2 * trace.settled()
        ):
            state, drawn = jax.block_until_ready(advance(state))
            draws, gradients, _ = measured(drawn)
            trace = trace.extend(draws, gradients, reference)
        row |= {"low_error": trace.settled(), "followed": trace.gradients}
        row["error_course"] = trace.course[:: max(1, len(trace.course) // 100)]
    row["versions"] = {name: installed(name) for name in LIBRARIES}
    row["device"] = jax.devices()[0].device_kind
    return row


def main():
    job = json.loads(sys.argv[1])
    limit_cpu(job["limit"])
    print(json.dumps(run(job), default=float))


if __name__ == "__main__":
    main()
