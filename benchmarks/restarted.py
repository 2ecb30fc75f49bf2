"""FHL as it comes, settings from warm-up, started again from the beginning to count evaluations."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from fhl_ppl.core.charts import chart as charts
from fhl_ppl.core.learners.chart import for_users
from fhl_ppl.core.state import State
from fhl_ppl.core.tempering.path import Parts
from fhl_ppl.numpyro import FHL
from fhl_ppl.numpyro.control import JAX


class Restarted:
    """Nothing is given by hand but the potential and, if it is not to be trusted, the gradient.

    Parameters
    ----------
    target
        Has `potential`, `gradient` (None: the potential's own) and `start`, (key, particles) -> q.
    particles
        As many chains, all of them vectorized.
    num_warmup
        Iterations of warm-up.
    settings
        Of `FHL`, for what is not as it comes.
    """

    def __init__(self, target: Any, particles: int, num_warmup: int = 300, **settings: Any):
        self.target, self.particles, self.num_warmup = target, particles, num_warmup
        kernel = FHL(potential_fn=target.potential, gradient_fn=target.gradient, **settings)
        gradient = target.gradient or jax.grad(target.potential)

        def sample(state):
            return kernel.sample(state, (), {})

        # Not through MCMC, which compiles the same anew for every seed.
        self.kernel, self.step = kernel, jax.jit(sample)
        self.warm_up = jax.jit(
            lambda state: lax.fori_loop(0, num_warmup, lambda _, value: sample(value), state)
        )
        self.evaluate = jax.jit(jax.vmap(lambda q: (target.potential(q), gradient(q))))
        self.reference_fn = settings.get("reference_fn")
        # Warm-up may have found a chart, in whose coordinates the particles then move.
        self.leave = jax.jit(lambda state: for_users(state.learnt, state.particles, JAX))

    def course(self, seed: int, limit: int) -> Iterator[tuple[int, State]]:
        """Warm up, start again, go on for `limit` evaluations; yields them so far and particles."""
        key = jax.random.key(seed)
        warm_key, start_key, again_key = jax.random.split(key, 3)
        keys = jax.random.split(warm_key, self.particles)
        start = self.target.start(start_key, self.particles)
        state = self.warm_up(self.kernel.init(keys, self.num_warmup, init_params=start))
        position = self.target.start(again_key, self.particles)
        begin = State(position, *self.evaluate(position))
        if "chart" in state.learnt:
            begin = charts.enter(state.learnt["chart"].chart, begin)
        state = state._replace(particles=begin, replicas=self._again(state.replicas, begin))
        spent = 0
        while spent < limit:
            state = self.step(state)
            spent += int(state.n_steps[0])
            yield spent, self.leave(state)

    def _again(self, replicas: Any, begin: State) -> Any:
        """All replicas of a particle where it starts again, on the ladder that warm-up found."""
        if replicas is None:
            return None
        reference = jax.vmap(jax.value_and_grad(self.reference_fn))(begin.position)
        parts, beta = (
            Parts(begin.potential_energy, begin.gradient, *reference),
            replicas.ladder.beta,
        )
        position = jnp.broadcast_to(begin.position, (len(beta), *begin.position.shape))
        return replicas._replace(particles=State(position, *parts.at(beta[:, None])))
