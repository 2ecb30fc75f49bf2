"""NumPyro's NUTS on a potential: a warm-up that is not counted, and draws that are."""

import jax
import jax.numpy as jnp
from jax import lax
from numpyro.infer import NUTS


class NUTSChains:
    """NUTS as it comes.

    Not started again after warm-up, as `benchmarks.restarted.Restarted` is: each chain has a step
    of its own, which need not suit the place where it began.
    """

    def __init__(self, target, particles: int, num_warmup: int = 300):
        self.target, self.particles, self.num_warmup = target, particles, num_warmup
        self.kernel = NUTS(potential_fn=target.potential)

        # With a batch of keys the kernel is a batched one by itself.
        def step(state):
            return self.kernel.sample(state, (), {})

        self.step = jax.jit(step)
        self.warm_up = jax.jit(
            lambda state: lax.fori_loop(0, num_warmup, lambda _, value: step(value), state)
        )

    def course(self, seed: int, limit: int):
        """Warm up and go on; yields evaluations so far of the mean chain, q and U."""
        warm_key, start_key = jax.random.split(jax.random.key(seed))
        start = self.target.start(start_key, self.particles)
        keys = jax.random.split(warm_key, self.particles)
        state = self.warm_up(self.kernel.init(keys, self.num_warmup, start, (), {}))
        spent = 0.0
        while spent < limit:
            state = self.step(state)
            spent += float(jnp.mean(state.num_steps))
            yield spent, state.z, state.potential_energy
