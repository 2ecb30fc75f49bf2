"""NumPyro's NUTS as everybody else: settings from its warm-up, then anew from the start."""

import jax
import jax.numpy as jnp
from jax import lax
from numpyro.infer import NUTS


class RestartedNUTS:
    """As `benchmarks.restarted.Restarted`, of chains each with a warm-up of its own."""

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
        self.evaluate = jax.jit(jax.vmap(jax.value_and_grad(target.potential)))

    def course(self, seed: int, limit: int):
        """Warm up, start again; yields evaluations so far of the mean chain, q and U."""
        warm_key, start_key, again_key = jax.random.split(jax.random.key(seed), 3)
        start = self.target.start(start_key, self.particles)
        keys = jax.random.split(warm_key, self.particles)
        state = self.kernel.init(keys, self.num_warmup, start, (), {})
        state = self.warm_up(state)
        position = self.target.start(again_key, self.particles)
        energy, gradient = self.evaluate(position)
        state = state._replace(z=position, potential_energy=energy, z_grad=gradient)
        spent = 0.0
        while spent < limit:
            state = self.step(state)
            spent += float(jnp.mean(state.num_steps))
            yield spent, state.z, state.potential_energy
