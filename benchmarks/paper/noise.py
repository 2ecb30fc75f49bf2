"""Noise sweep: N(0, I) in 10 and 100 dimensions, its gradient + N(0, s^2 I), s = 0 to 30.

Fresh noise at each evaluation, L + 1 of them an iteration. Keeping the gradient of the iteration
before, as for a force without noise, is the last table: it is exact too if what was kept with a
rejected proposal is the old gradient, since the noise then is a part of the state. Started from
exact draws; effective draws are those of the worse of q and U, for 1000 evaluations. What moves so
little that a run shows no end of its correlation gets an upper bound.
"""

from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.paper.methods import METHODS, Setting
from benchmarks.paper.run import BATCH, batched, draw, filled
from benchmarks.paper.tables import Result, Table
from fhl_ppl.core.control import Control
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.iteration import Tuning, iterate
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.target import Plain, state_at

NAMES = ("HMC", "FHL joint", "FHL alternate")
NOISES = {10: (0.0, 1.0, 3.0, 10.0, 30.0), 100: (0.0, 1.0, 10.0, 30.0)}
"""By dimension."""
PARTICLES, ITERATIONS, COORDINATES = 16, 1000, 4


def noisy(blind, scale, key, calls):
    """(U, g) of q [particle, dim] with fresh noise at each of `calls` calls; g = 0 if `blind`."""
    keys = iter(jax.random.split(key, calls))

    def evaluate(position):
        noise = scale * jax.random.normal(next(keys), position.shape)
        force = jnp.zeros_like(position) if blind else position + noise
        return jnp.sum(position**2, -1) / 2, force

    return evaluate


def unrolled(lower, upper, body, init):
    """A loop in which every call is traced by itself, so that each gets a key of its own."""
    for i in range(lower, upper):
        init = body(i, init)
    return init


@partial(jax.jit, static_argnames=("method", "dim", "num_steps", "keep"))
@partial(jax.vmap, in_axes=(None, None, None, None, 0, 0, 0, 0))
def chains(method, dim, num_steps, keep, step_size, strength, scale, key):
    """Some coordinates and U after each iteration, [iteration, particle, coordinate + 1]."""
    groups = make_groups(PARTICLES, method.group_size, jnp.zeros(1))
    strength = strength if method.group_size > 1 else None
    tuning = Tuning(step_size, num_steps, strength, make_metric(jnp.ones(dim)))

    def go_on(state, key):
        one, two = jax.random.split(key)
        target = Plain(noisy(method.blind, scale, one, num_steps + 1))
        if not keep:
            state = state_at(target, state.position)
        state, _ = iterate(
            state,
            draw(two, PARTICLES, dim),
            tuning,
            groups,
            COUPLINGS[method.coupling],
            target,
            Control(unrolled, lax.cond),
        )
        return state, jnp.concatenate(
            [state.position[:, :COORDINATES], state.potential_energy[:, None]], 1
        )

    first, second, loop = jax.random.split(key, 3)
    position = jax.random.normal(first, (PARTICLES, dim))
    state = state_at(Plain(noisy(method.blind, scale, second, 1)), position)
    return lax.scan(go_on, state, jax.random.split(loop, ITERATIONS))[1]


def run_all(method, dim, num_steps, settings, scale, seeds, keep=False):
    """Traces of every setting and seed, [setting, seed, iteration, particle, coordinate + 1]."""
    pairs, traces = list(product(settings, seeds)), []
    for batch in batched(pairs):
        full = filled(batch)
        found = chains(
            method,
            dim,
            num_steps,
            keep,
            jnp.array([setting.step_size for setting, _ in full]),
            jnp.array([setting.strength for setting, _ in full]),
            jnp.full(BATCH, scale),
            jnp.stack([jax.random.key(seed) for _, seed in full]),
        )
        traces.append(np.asarray(found)[: len(batch)])
    return np.concatenate(traces).reshape(len(settings), len(seeds), *traces[0].shape[1:])


def effective_share(trace, dim):
    """Effective draws per draw of one run [iteration, particle, value]; means are known."""
    centred = trace - np.array([0.0] * COORDINATES + [dim / 2])
    size = len(centred)
    spectrum = np.abs(np.fft.rfft(centred, 2 * size, axis=0)) ** 2
    lagged = np.fft.irfft(spectrum, axis=0)[:size] / np.arange(size, 0, -1)[:, None, None]
    lagged = lagged.mean(1)
    both = np.stack([lagged[:, :COORDINATES].mean(1), lagged[:, -1]])
    rho = both / both[:, :1]
    # Geyer's: sums of neighbouring lags are positive until there is only noise left.
    pairs = rho[:, 0 : size - 1 : 2] + rho[:, 1:size:2]
    last = [int(np.argmax(p <= 0)) if np.any(p <= 0) else len(p) for p in pairs]
    length = [2 * p[:k].sum() - 1 for p, k in zip(pairs, last, strict=True)]
    return 1 / max(length)


def settings_for(method, dim, scale, num_steps):
    """Steps about what the energy error of the noise, s eta sqrt(d), allows."""
    longest = 1.4 * dim**-0.25 if scale == 0 else min(1.4 * dim**-0.25, dim**-0.5 / scale)
    if method.blind:
        longest = 2.38 / dim**0.5
    pulls = (0.25, 1.0) if method.group_size > 1 else (0.0,)
    return [
        Setting(eta, num_steps, kappa / (eta * num_steps) ** 2)
        for eta, kappa in product(longest * np.array([0.5, 1.0, 2.0]), pulls)
    ]


def row(name, dim, scale, lengths, seeds):
    """The best setting by tuning seeds, measured with fresh ones."""
    method, tried = METHODS[name], []
    for length in lengths:
        settings = settings_for(method, dim, scale, length)
        traces = run_all(method, dim, length, settings, scale, [1001, 1002])
        # A gradient without noise may be kept for the next iteration.
        cost = length + (scale > 0)
        for setting, pair in zip(settings, traces, strict=True):
            worth = np.mean([effective_share(trace, dim) for trace in pair]) / cost
            tried.append((worth, setting, cost))
    _, setting, cost = max(tried)
    (traces,) = run_all(method, dim, setting.num_steps, [setting], scale, seeds)
    return {
        "d": f"{dim}",
        "s": f"{scale:g}" if not method.blind else "any",
        "method": name,
        "setting": str(setting),
        "ESS / 1000 evaluations": [1000 * effective_share(t, dim) / cost for t in traces],
        "mean U / (d / 2)": [float(t[..., -1].mean() / (dim / 2)) for t in traces],
    }


def kept_row(dim, seeds, keep):
    """HMC, s = 1, with one step at an acceptance of .8, the gradient drawn anew or kept."""
    setting, means, worth = Setting(1.1 * dim**-0.5, 1, 0.0), [], []
    for seed in seeds:
        many = [100 * seed + k for k in range(8)]
        (traces,) = run_all(METHODS["HMC"], dim, 1, [setting], 1.0, many, keep)
        means.append(float(traces[..., -1].mean() / (dim / 2)))
        worth.append(float(np.mean([effective_share(trace, dim) for trace in traces])))
    return {
        "d": f"{dim}",
        "s": "1",
        "gradient at the start": "kept" if keep else "drawn anew",
        "mean U / (d / 2)": means,
        "ESS / 1000 evaluations": [1000 * one / (1 if keep else 2) for one in worth],
    }


def run(seeds: list[int], quick: bool) -> Result:
    """All noises and dimensions, a random walk for each dimension, and kept gradients."""
    rows = []
    for dim, noises in {10: (0.0, 3.0)}.items() if quick else NOISES.items():
        for scale, name in product(noises, NAMES):
            rows.append(row(name, dim, scale, (1, 4), seeds))
        rows.append(row("random walk", dim, 0.0, (1,), seeds))
    kept = [kept_row(10, seeds, keep) for keep in (False, True)]
    return Result(
        [Table("Noise sweep, steps tuned", rows), Table("Keeping a noisy gradient", kept)], {}
    )
