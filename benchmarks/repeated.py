"""A model run again and again, with other data and keys, on loops that are compiled once."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import lax, random

from fhl_ppl import Until
from fhl_ppl.runs.blocks import Status, run_in_blocks
from fhl_ppl.runs.kept import Kept
from fhl_ppl.runs.processes import ALONE
from fhl_ppl.runs.progress import Line
from fhl_ppl.runs.sampling import Block

Array = Any


class Repeated:
    """A `fhl_ppl.runs.sampling.Sampling` that `start` begins anew, warm-up included.

    `make(data)` gives an `FHL`, and what its model is called with.
    """

    warmup_left = warmup_done = warmup_steps = 0
    processes = ALONE

    def __init__(self, make: Callable[[Any], Any], chains: int, warmup: int, block: int) -> None:
        self._make, self._chains, self._warmup, self.num_draws = make, chains, warmup, block
        self._begin, self._go = jax.jit(self._begun), jax.jit(self._gone_on)

    def start(self, key: Array, data: Any) -> None:
        """Begin a run."""
        self._data, self.gradients = data, 0.0
        self._state, steps = self._begin(key, data)
        self._count(steps)
        self.group = np.asarray(self._state.group)

    def until(self, until: Until) -> tuple[Status, dict[str, np.ndarray]]:
        """Draw as `fhl_ppl.run` does; returns the draws of all sites, [chain, draw, ...]."""
        kept = Kept(self, None, self.num_draws, True)
        status = run_in_blocks(self, until, None, self.num_draws, kept, Line(False))
        sites = kept.blocks[0].posterior
        return status, {
            name: np.concatenate([block.posterior[name] for block in kept.blocks], axis=1)
            for name in sites
        }

    def draw(self, count: int, stop: Callable[[], bool]) -> Block:
        """Draw a block."""
        self._state, steps, sites = self._go(self._state, self._data)
        self._count(steps)
        return Block({name: np.asarray(x)[:, :count] for name, x in sites.items()}, {})

    def publish(self, blocks: list[Block]) -> None:
        """Nothing holds the draws but who asked for them."""

    def _count(self, steps: Array) -> None:
        self.gradients += float(steps) * self._chains

    def _kernel(self, key: Array, data: Any) -> tuple[Any, Any, Any]:
        kernel, args = self._make(data)
        state = kernel.init(random.split(key, self._chains), self._warmup, None, args, {})
        return kernel, args, state

    def _begun(self, key: Array, data: Any) -> Any:
        kernel, args, state = self._kernel(key, data)

        def step(_: Any, known: Any) -> Any:
            state, steps = known
            state = kernel.sample(state, args, {})
            return state, steps + state.n_steps[0]

        return lax.fori_loop(0, self._warmup, step, (state, 0 * state.n_steps[0]))

    def _gone_on(self, state: Any, data: Any) -> Any:
        # A kernel knows its model once it has begun; of this beginning nothing is used or run.
        kernel, args, _ = self._kernel(random.PRNGKey(0), data)

        def step(state: Any, _: Any) -> Any:
            state = kernel.sample(state, args, {})
            return state, (state.n_steps[0], state.z)

        state, (steps, z) = lax.scan(step, state, length=self.num_draws)
        sites = jax.vmap(jax.vmap(kernel.postprocess_fn(args, {})))(z)
        return state, steps.sum(), jax.tree.map(lambda x: x.swapaxes(0, 1), sites)
