"""Many particles: draws and effective draws a second, time to compile, and memory.

    python -m benchmarks.scale                          # the table, on whatever device JAX finds
    python -m benchmarks.scale --particles 4 64 --samplers fhl nuts
    python -m benchmarks.scale --samplers fhl --particles 100000 --limit 3600

The target is a Gaussian of --dim dimensions whose standard deviations go from 0.1 to 10. Every row
is a process of its own: peak memory is one number of a process. No sampler keeps draws: all but FHL
(`fhl_ppl.stream`; `fhl` in NumPyro, `pyro` in Pyro) run in a loop of ours that takes the same
moments up. `z` is the largest |z| of a mean or of a variance, of as many numbers as there are
dimensions. One group has no other to be compared with: of four particles of FHL the draws are kept,
and ArviZ says how many they are worth.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

GROUP = 4
"""Particles of a group, by default."""
COLUMNS = ("compile_s", "run_s", "draws_per_s", "ess_per_s", "peak_mib", "state_mib", "z")


def ours(job):
    """FHL of NumPyro by `fhl_ppl.stream`."""
    import jax
    import numpy as np
    from numpyro.infer import MCMC

    import fhl_ppl
    from fhl_ppl.numpyro import FHL

    potential, start = target(job)
    mcmc = MCMC(
        FHL(potential_fn=potential, **job["settings"]),
        num_warmup=job["warmup"],
        num_samples=job["draws"],
        num_chains=job["particles"],
        chain_method="vectorized",
        progress_bar=False,
    )
    key, start = jax.random.key(job["seed"]), {"x": start}
    if job["particles"] <= GROUP:
        mcmc.run(key, init_params=start)
        return kept(mcmc.get_samples(group_by_chain=True)["x"])
    found = fhl_ppl.stream(mcmc, key, init_params=start, progress=False)
    mean, sd, mcse = (np.asarray(part["x"], float) for part in (found.mean, found.sd, found.mcse))
    return {"mean": mean, "sd": sd, "mcse": mcse, "ess": float(found.ess["x"].min())}


def kept(draws):
    """What draws [chain, draw, dim] of one group say by themselves."""
    import arviz
    import numpy as np

    draws = np.asarray(draws, float)
    # Draws that swing about their mean tell it well, and its variance less so.
    both = {"x": draws, "square": (draws - draws.mean(axis=(0, 1))) ** 2}
    found = arviz.ess(arviz.convert_to_dataset(both))
    ess = np.minimum(*(found[name].to_numpy() for name in both))
    mean, sd = draws.mean(axis=(0, 1)), draws.std(axis=(0, 1))
    return {"mean": mean, "sd": sd, "mcse": sd / ess**0.5, "ess": float(ess.min())}


def pyro(job):
    """FHL of Pyro by `fhl_ppl.stream`, on the GPU if Torch finds one."""
    import numpy as np
    import torch

    import fhl_ppl
    from fhl_ppl.pyro import FHL, MCMC

    device = "cuda" if torch.cuda.is_available() else "cpu"
    sd = torch.logspace(-1, 1, job["dim"], device=device)
    torch.manual_seed(job["seed"])
    mcmc = MCMC(
        FHL(potential_fn=lambda z: 0.5 * ((z["x"] / sd) ** 2).sum(), **job["settings"]),
        job["draws"],
        warmup_steps=job["warmup"],
        num_chains=job["particles"],
        initial_params={"x": torch.randn(job["particles"], job["dim"], device=device)},
        disable_progbar=True,
    )
    if job["particles"] <= GROUP:
        mcmc.run()
        return kept(mcmc.get_samples(group_by_chain=True)["x"].cpu())
    found = fhl_ppl.stream(mcmc, progress=False)
    mean, sd, mcse = (np.asarray(part["x"], float) for part in (found.mean, found.sd, found.mcse))
    peak = {"peak_mib": torch.cuda.max_memory_allocated() / 2**20} if device == "cuda" else {}
    return {"mean": mean, "sd": sd, "mcse": mcse, "ess": float(found.ess["x"].min()), **peak}


def loop(job, init, step, position):
    """Any other: `step` (key, state) in one compiled loop, moments of each chain taken up."""
    import jax
    from jax import lax, random

    from fhl_ppl.core.moments import across_chains

    def once(_, value):
        key, state, moments = value
        key, own = random.split(key)
        state = step(own, state)
        return key, state, across_chains.update(moments, position(state))

    @jax.jit
    def sample(key, state):
        moments = across_chains.empty(position(state))
        return lax.fori_loop(0, job["draws"], once, (key, state, moments))[2]

    state = init(random.key(job["seed"]))
    moments = sample(random.key(job["seed"] + 1), state)
    return compared(job, moments)


def compared(job, moments):
    """What moments of chains that know nothing of each other say."""
    import numpy as np

    from fhl_ppl.core.groups import make_groups
    from fhl_ppl.core.moments import across_chains

    groups = make_groups(job["particles"], 1, np.zeros(0))
    count, *both = (np.asarray(part, float) for part in moments)
    shape = (job["particles"], job["dim"])
    found = across_chains.agreement(type(moments)(count, *both), shape, groups, groups)
    ess = float(found.ess.min())
    return {"mean": found.mean, "sd": found.sd, "mcse": found.mcse, "ess": ess}


def nuts(job):
    """NumPyro's NUTS, vectorized: a warm-up for each chain."""
    import jax
    from numpyro.infer import NUTS

    potential, start = target(job)
    kernel = NUTS(potential_fn=potential)

    def init(key):
        keys = jax.random.split(key, job["particles"])
        state = kernel.init(keys, job["warmup"], {"x": start}, (), {})
        go = jax.jit(lambda state: jax.lax.fori_loop(0, job["warmup"], lambda _, s: one(s), state))
        return go(state)

    def one(state):
        return kernel.sample(state, (), {})

    return loop(job, init, lambda _, state: one(state), lambda state: state.z["x"])


def chees(job):
    """ChEES-HMC of BlackJAX, as `benchmarks.peers` has it: one step size and length for all."""
    import jax

    from benchmarks.samplers.blackjax_algorithms import chees as of_blackjax
    from benchmarks.samplers.interface import Size

    potential, start = target(job)
    size = Size(job["particles"], job["warmup"], job["draws"])
    warm_up, step = of_blackjax(lambda x: -potential({"x": x}), size)
    parameters = {}

    def init(key):
        states, found, _ = jax.jit(warm_up)(key, start)
        parameters.update(found)
        return states

    def one(key, states):
        keys = jax.random.split(key, job["particles"])
        return jax.vmap(lambda key, state: step(key, state, parameters)[0])(keys, states)

    return loop(job, init, one, lambda states: states.position)


def laps(job):
    """LAPS of BlackJAX: only where chains end is had of it, a draw of each."""
    import jax
    import numpy as np
    from blackjax.adaptation.laps import laps as of_blackjax

    from fhl_ppl.core.moments import across_chains

    potential, _ = target(job)
    found = of_blackjax(
        lambda x: -potential({"x": x}),
        lambda key: jax.random.normal(key, (job["dim"],)),
        job["dim"],
        job["warmup"],
        # Of two gradients a step, and 15 steps a draw.
        30 * job["draws"],
        job["particles"],
        # `jax.make_mesh` makes axes that this sampler cannot close over.
        jax.sharding.Mesh(np.array(jax.devices()[:1]), ("chains",)),
        jax.random.key(job["seed"]),
        diagnostics=False,
    )
    position = np.asarray(found[-1].position, float)
    found = compared(job, across_chains.update(across_chains.empty(position), position))
    return {**found, "draws": 1}


SAMPLERS = {"fhl": ours, "pyro": pyro, "nuts": nuts, "chees": chees, "laps": laps}


def target(job):
    """The potential, and standard normal starts [particle, dim]."""
    import jax
    import jax.numpy as jnp

    sd = jnp.logspace(-1, 1, job["dim"])
    start = jax.random.normal(jax.random.key(99), (job["particles"], job["dim"]))
    return lambda z: 0.5 * ((z["x"] / sd) ** 2).sum(), start


def run(job):
    """One row."""
    import jax
    import numpy as np

    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, seconds, **_: (
            compiled.append(seconds)
            if "compile" in name or "trace" in name or "jaxpr_to_mlir" in name
            else None
        )
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    found = SAMPLERS[job["sampler"]](job)
    whole = time.perf_counter() - began
    sd = np.logspace(-1, 1, job["dim"])
    # A variance of n effective draws of a Gaussian has a relative error of (2 / n)^(1/2); squares
    # forget sooner than the draws themselves.
    of_variance = (found["sd"] ** 2 / sd**2 - 1) / np.sqrt(2 / (found["sd"] / found["mcse"]) ** 2)
    seconds = whole - sum(compiled)
    draws = job["particles"] * found.get("draws", job["draws"])
    device = jax.devices()[0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if device.platform != "cpu":
        peak = found.get("peak_mib", device.memory_stats()["peak_bytes_in_use"] / 2**20)
    return {
        "device": device.device_kind,
        "compile_s": sum(compiled),
        "run_s": seconds,
        "draws_per_s": draws / seconds,
        "ess_per_s": found["ess"] / seconds,
        "peak_mib": peak,
        "libraries_mib": before / 1024,
        # Positions and gradients in single precision, and an energy.
        "state_mib": 4 * job["particles"] * (2 * job["dim"] + 1) / 2**20,
        "z": float(max(np.abs(found["mean"] / found["mcse"]).max(), np.abs(of_variance).max())),
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--particles", type=int, nargs="+", default=[4, 64, 1024, 16384])
    parser.add_argument("--samplers", nargs="+", choices=list(SAMPLERS), default=list(SAMPLERS))
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--warmup", type=int, default=500)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--settings", type=json.loads, default={}, help="of FHL, as JSON")
    parser.add_argument("--limit", type=float, default=600, help="seconds of a row")
    parser.add_argument("--job", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.job:
        print(json.dumps(run(given.job)))
        return
    print("| particles | sampler |", " | ".join(COLUMNS), "|")
    print("|---|---|", "---|" * len(COLUMNS), sep="")
    shared = {key: getattr(given, key) for key in ("dim", "warmup", "draws", "seed", "settings")}
    device = ""
    for particles in given.particles:
        for sampler in given.samplers:
            job = {"particles": particles, "sampler": sampler, **shared}
            command = [sys.executable, "-m", "benchmarks.scale", "--job", json.dumps(job)]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=given.limit)
            except subprocess.TimeoutExpired:
                print(f"| {particles} | {sampler} | longer than {given.limit:g} s |", flush=True)
                continue
            if done.returncode:
                said = [line for line in done.stderr.splitlines() if "Error" in line]
                why = said[-1] if said else f"exit {done.returncode}"
                print(f"| {particles} | {sampler} | {why} |", flush=True)
                continue
            row = json.loads(done.stdout.splitlines()[-1])
            device = row["device"]
            numbers = " | ".join(f"{row[name]:.3g}" for name in COLUMNS)
            print(f"| {particles} | {sampler} | {numbers} |", flush=True)
    print(f"\n{given.warmup} + {given.draws} iterations, {given.dim} dimensions, on {device}.")


if __name__ == "__main__":
    main()
