"""`fhl_ppl.pyro.MCMC` drawn in blocks, for `fhl_ppl.run`."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from pyro import poutine

from fhl_ppl.pyro.mcmc import MCMC
from fhl_ppl.runs.blocks import Block


class PyroSampling:
    """A run of `mcmc` that has a start for all particles; see `fhl_ppl.runs.blocks.Sampling`.

    Raises
    ------
    TypeError
        If it is another `MCMC`, which starts its chains in processes of their own.
    """

    def __init__(self, mcmc: MCMC, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if not isinstance(mcmc, MCMC):
            raise TypeError(
                f"mcmc must be a fhl_ppl.pyro.MCMC to run in blocks, got {type(mcmc).__module__}."
                f"{type(mcmc).__name__}; it takes the same arguments"
            )
        self._mcmc = mcmc
        with poutine.block(), mcmc._validation():
            self._chains = mcmc._begin(args, kwargs)
        engine = self._chains.engine
        self.warmup_steps, self.num_draws = engine.sampler.num_warmup, mcmc.num_samples
        self.gradients = 0
        self.group = np.asarray(self._chains.group)
        self._particles = len(engine.state.potential_energy)
        self._drawn = 0

    @property
    def warmup_left(self) -> int:
        """Iterations of the warm-up to be done."""
        return max(0, self.warmup_steps - self._chains.engine.iteration)

    def warm_up(self, count: int) -> None:
        """Run so many iterations of the warm-up."""
        with poutine.block(), self._mcmc._validation():
            for _ in range(count):
                self._advance("Warmup", self._chains.engine.iteration)

    def draw(self, count: int, stop: Callable[[], bool]) -> Block:
        """Draw so many times, or less if `stop` says so on the way."""
        chains, positions = self._chains, []
        with poutine.block(), self._mcmc._validation():
            while len(positions) < count and not stop():
                self._advance("Sample", self._drawn)
                positions.append(chains.position.clone())
                self._drawn += 1
            if not positions:
                return Block({}, {})
            whole = self._mcmc._constrained(chains, torch.stack(positions, dim=1))
        posterior = {name: value.cpu().numpy() for name, value in whole.items()}
        return Block(posterior, chains.take_statistics(), whole)

    def publish(self, blocks: list[Block]) -> None:
        """Let `mcmc` hold the draws of these blocks."""
        drawn = [block for block in blocks if block.posterior]
        if drawn:
            self._mcmc._samples = {
                name: torch.cat([block.whole[name] for block in drawn], dim=1)
                for name in drawn[0].whole
            }
            self._chains.put_back_statistics(
                {
                    name: np.concatenate([block.sample_stats[name] for block in drawn], axis=1)
                    for name in drawn[0].sample_stats
                }
            )

    def _advance(self, stage: str, number: int) -> None:
        self.gradients += self._particles * self._chains.advance()
        self._mcmc._call_hook(stage, number)
