"""The run loop that all methods share: as many evaluations a particle for everyone."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby, islice, product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.paper.methods import Method, Setting
from fhl_ppl.core.control import Control
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.iteration import Tuning, iterate
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.state import Draws, State
from fhl_ppl.core.target import Plain, state_at

Array = Any
BATCH = 4
"""Runs side by side."""
LONGEST = 4000
"""Most iterations of a run."""
CONTROL = Control(lax.fori_loop, lax.cond)


class Problem(NamedTuple):
    """What is sampled.

    Attributes
    ----------
    potential, gradient
        q [dim] -> U, the true one, and -> g [dim], the force. None: the potential's gradient.
    start, exact
        (key, particles) -> q [particle, dim], where to start, and exact draws.
    """

    potential: Callable[[Array], Array]
    gradient: Callable[[Array], Array] | None
    start: Callable[[Array, int], Array]
    exact: Callable[[Array, int], Array]

    def evaluate(self, blind: bool = False) -> Callable[[Array], tuple[Array, Array]]:
        """Q [particle, dim] -> (U [particle], g [particle, dim])."""
        if blind:
            return jax.vmap(lambda q: (self.potential(q), jnp.zeros_like(q)))
        if self.gradient is None:
            return jax.vmap(jax.value_and_grad(self.potential))
        return jax.vmap(lambda q: (self.potential(q), self.gradient(q)))


class Course(NamedTuple):
    """What came of one run.

    Attributes
    ----------
    position, energy
        Of all particles at the end, [particle, dim] and [particle].
    evaluations, trace
        Evaluations a particle after each iteration, [iteration], and what was watched, [iteration].
    acceptance
        Share of the proposals that were accepted.
    """

    position: np.ndarray
    energy: np.ndarray
    evaluations: np.ndarray
    trace: np.ndarray
    acceptance: float


def mean_energy(state: State) -> Array:
    """The mean energy of the particles: the default of what is watched."""
    return jnp.mean(state.potential_energy)


def draw(key: Array, particles: int, dim: int) -> Draws:
    """All the randomness of an iteration."""
    noise, uniform = jax.random.split(key)
    return Draws(
        jax.random.normal(noise, (particles, dim)), *jax.random.uniform(uniform, (3, particles))
    )


@partial(jax.jit, static_argnames=("problem", "method", "particles", "watch"))
def _run(problem, method, particles, watch, count, num_steps, step_size, strength, key):
    coupling, target = COUPLINGS[method.coupling], Plain(problem.evaluate(method.blind))
    groups = make_groups(particles, method.group_size, jnp.zeros(1))

    def one(step_size, strength, key):
        begin, loop = jax.random.split(key)
        position = problem.start(begin, particles)
        dim = position.shape[1]
        tuning = Tuning(
            step_size,
            num_steps,
            strength if method.group_size > 1 else None,
            make_metric(jnp.ones(dim)),
        )

        def go_on(i, carry):
            state, trace, accepted = carry
            state, info = iterate(
                state,
                draw(jax.random.fold_in(loop, i), particles, dim),
                tuning,
                groups,
                coupling,
                target,
                CONTROL,
                method.adjusted,
            )
            return state, trace.at[i].set(watch(state)), accepted + jnp.mean(info.accepted)

        carry = state_at(target, position), jnp.zeros(LONGEST), 0.0
        state, trace, accepted = lax.fori_loop(0, count, go_on, carry)
        return state.position, state.potential_energy, trace, accepted / count

    return jax.vmap(one)(step_size, strength, key)


def run(
    problem: Problem,
    method: Method,
    settings: list[Setting],
    seeds: list[int],
    particles: int,
    budget: int,
    watch: Callable[[State], Array] = mean_energy,
) -> dict[Setting, list[Course]]:
    """Run every setting with every seed, `budget` evaluations a particle each."""
    # Grids differ, the compiled function does not.
    kernel = method._replace(one_step=False)
    pairs = sorted(product(settings, range(len(seeds))), key=lambda pair: pair[0].num_steps)
    courses = {setting: [None] * len(seeds) for setting in settings}
    for length, same in groupby(pairs, key=lambda pair: pair[0].num_steps):
        for batch in batched(same):
            full = filled(batch)
            found = _run(
                problem,
                kernel,
                particles,
                watch,
                budget // length,
                length,
                jnp.array([setting.step_size for setting, _ in full]),
                jnp.array([setting.strength for setting, _ in full]),
                jnp.stack([jax.random.key(seeds[k]) for _, k in full]),
            )
            position, energy, trace, accepted = jax.tree.map(np.asarray, found)
            spent = length * np.arange(1, budget // length + 1)
            for i, (setting, k) in enumerate(batch):
                courses[setting][k] = Course(
                    position[i], energy[i], spent, trace[i, : len(spent)], float(accepted[i])
                )
    return courses


def batched(items: Iterable) -> Iterator[list]:
    """Lists of `BATCH` items, the last maybe shorter."""
    items = iter(items)
    while batch := list(islice(items, BATCH)):
        yield batch


def filled(batch: list) -> list:
    """`BATCH` items, so that one compiled function serves all numbers of settings and seeds."""
    return [*batch, *[batch[0]] * (BATCH - len(batch))]
