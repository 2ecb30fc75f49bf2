"""Chains on an energy by any method: as many evaluations a chain for everyone, warm-up counted."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.energies.nuts import NUTSChains
from benchmarks.paper.methods import METHODS, Method
from benchmarks.paper.run import CONTROL, draw
from benchmarks.restarted import Restarted
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.iteration import Tuning, iterate
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.target import Plain, state_at

Array = Any
RECORDS = 100
"""How often all chains are looked at, at even numbers of evaluations."""
STEPS = (0.2, 0.35, 0.5, 0.7, 0.9)
"""Tried, in units of the noise."""
LENGTH, PULL = 8, 0.25
CLEAN = 25.0
"""lambda of U-FHL, in units of the noise: the paper's 100 at a noise of .5."""
NAMES = {"LMC": "MALA", "U-LMC": "SGLD"}
"""What the paper's methods are called elsewhere; SGLD with all of an energy, so without noise."""
TEMPERATURES = 4
TEMPERED = f"FHL, {TEMPERATURES} temperatures"
"""As shipped, but for these: from the energy to the reference of the target."""
ADAPTIVE = ("NUTS", "FHL as shipped", TEMPERED)
"""What finds its settings by itself."""


class Target(NamedTuple):
    """As `benchmarks.targets.Target`; hashable, so that what is compiled serves all seeds."""

    potential: Callable[[Array], Array]
    start: Callable[[Array, int], Array]
    gradient: None = None
    reference: Callable[[Array], Array] | None = None


@partial(jax.jit, static_argnames=("potential", "method"))
def _fixed(potential, method, num_steps, each, step_size, kappa, position, key):
    evaluate = jax.vmap(jax.value_and_grad(potential))
    target, particles, dim = Plain(evaluate), *position.shape
    groups = make_groups(particles, method.group_size, jnp.zeros(1))
    metric = make_metric(jnp.ones(dim))

    def once(i, carry):
        state, key, jump = carry
        key, own, spread = jax.random.split(key, 3)
        # Of one length all trajectories of a Gaussian come back to their energies.
        eta = step_size * jax.random.uniform(spread, minval=0.5)
        strength = kappa / (eta * num_steps) ** 2 if method.group_size > 1 else None
        tuning = Tuning(eta, num_steps, strength, metric)
        new, _ = iterate(
            state,
            draw(own, particles, dim),
            tuning,
            groups,
            COUPLINGS[method.coupling],
            target,
            CONTROL,
            method.adjusted,
        )
        return new, key, jump + jnp.mean(jnp.sum((new.position - state.position) ** 2, 1))

    def record(carry, _):
        carry = lax.fori_loop(0, each, once, carry)
        return carry, carry[0].position

    carry = state_at(target, position), key, jnp.zeros(())
    (_, _, jump), positions = lax.scan(record, carry, None, length=RECORDS)
    return positions, jump


def fixed(target: Target, name: str, s: float, start: Array, budget: int, seed: int):
    """[record, chain, dim] of a method whose step has the largest squared jump from the data."""
    method, length = _untuned(name)
    best, kappa = tuned(target, name, s, len(start), budget) * s, PULL
    if name == "U-FHL":
        # What makes clean pictures.
        best, kappa = STEPS[0] * s, CLEAN * (STEPS[0] * length) ** 2
    each = max(1, budget // (RECORDS * length))
    found, _ = _fixed(target.potential, method, length, each, best, kappa, start, _key(seed))
    return np.asarray(found)


@cache
def tuned(target: Target, name: str, s: float, chains: int, budget: int) -> float:
    """The step, in units of the noise: the same for all seeds, by a twentieth of the budget."""
    method, length = _untuned(name)
    # Without a test the longest step would win: they take that of their counterpart.
    tested = method._replace(adjusted=True)
    from_data, each = target.start(_key(1000), chains), max(1, budget // (20 * RECORDS * length))
    jumps = []
    for step in STEPS:
        setting = target.potential, tested, length, each, step * s, PULL, from_data, _key(1000)
        jumps.append(float(_fixed(*setting)[1]))
    return STEPS[int(np.argmax(jumps))]


def sampler(target: Target, name: str, s: float, chains: int, num_warmup: int = 300):
    """(start, budget, seed) -> [record, chain, dim] and evaluations of the warm-up, if it has one.

    To be made once for all seeds, since it may be compiled.
    """
    if name in ADAPTIVE:
        return Adaptive(target, name, chains, num_warmup).run
    return lambda start, budget, seed: (fixed(target, name, s, start, budget, seed), None)


def _untuned(name: str) -> tuple[Method, int]:
    """Method and steps of a trajectory; one that is compiled serves both."""
    return METHODS[name]._replace(one_step=False), 1 if METHODS[name].one_step else LENGTH


def _key(seed):
    return jax.random.key(seed)


class Adaptive:
    """FHL as shipped or tempered, or NUTS: compiled once, run from many starts, all counted."""

    def __init__(self, target: Target, name: str, chains: int, num_warmup: int):
        maker = NUTSChains if name == "NUTS" else Restarted
        self.is_nuts, self.num_warmup = name == "NUTS", num_warmup
        settings = {}
        if name == TEMPERED:
            settings = {"temperatures": TEMPERATURES, "reference_fn": target.reference}
        self.sampler = maker(target, chains, num_warmup, **settings)
        spent = (lambda s: s.num_steps) if self.is_nuts else (lambda s: s.n_steps[0])
        step = self.sampler.step

        def counted(state):
            def once(_, carry):
                state = step(carry[0])
                return state, carry[1] + jnp.mean(spent(state).astype(jnp.float32))

            return lax.fori_loop(0, num_warmup, once, (state, jnp.zeros(())))

        self.warm_up = jax.jit(counted)
        self.spent = spent

    def run(self, start: Array, budget: int, seed: int):
        """[record, chain, dim], the start as long as it warms up, and evaluations of that."""
        keys = jax.random.split(_key(seed), len(start))
        kernel = self.sampler.kernel
        if self.is_nuts:
            state = kernel.init(keys, self.num_warmup, start, (), {})
        else:
            state = kernel.init(keys, self.num_warmup, init_params=start)
        state, warm = self.warm_up(state)
        # A longer warm-up passes for half of the budget, so that there is a half to look at.
        used = min(float(warm), budget / 2)
        records = [np.asarray(start)] * int(used / budget * RECORDS)
        while len(records) < RECORDS:
            state = self.sampler.step(state)
            used += float(jnp.mean(self.spent(state)))
            # Not `particles`, which may be in the coordinates of a chart.
            position = np.asarray(state.z)
            records += [position] * (min(RECORDS, int(used / budget * RECORDS)) - len(records))
        return np.stack(records), float(warm)
