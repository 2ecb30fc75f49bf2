"""The tunings of a run: one by one in the warm-up, for many iterations at a time after it."""

from typing import Any

import numpy as np

from fhl_ppl.core.groups import Groups
from fhl_ppl.core.iteration import Tuning
from fhl_ppl.core.learners.learner import Learnt
from fhl_ppl.core.sampler import Sampler
from fhl_ppl.core.state import Draws
from fhl_ppl.core.tuning import tune
from fhl_ppl.core.tuning_ahead import tune_ahead, unless_zero
from fhl_ppl.pyro.run.arrays import TensorArrays, on_host
from fhl_ppl.pyro.run.randomness import Randomness


class Tunings:
    """Hands out the tuning of every iteration, as `fhl_ppl.core.sampler.step` asks for it.

    Parameters
    ----------
    draw : Randomness
        Whose last draws the tuning is for.
    arrays : TensorArrays
        What is computed on.
    """

    def __init__(self, draw: Randomness, arrays: TensorArrays) -> None:
        self._draw = draw
        self._arrays = arrays
        self.forget()

    def forget(self) -> None:
        """Drop what was worked out ahead: what has been learnt is another."""
        self._block: Any = None
        self._tunings: list[Tuning] = []

    def __call__(
        self, sampler: Sampler, learnt: Learnt, groups: Groups, iteration: int, draws: Draws
    ) -> Tuning:
        """Return the tuning of iteration number `iteration`."""
        if iteration < sampler.num_warmup:
            return _for_the_host(tune(sampler, learnt, groups, iteration, draws))
        block, used = self._draw.block, self._draw.used
        if self._block is not block:
            self._block = block
            # Those of the warm-up, whose draws may be of the same block, are not asked for.
            numbers = np.maximum(0, iteration - used + 1 + np.arange(len(block.strength)))
            uniform = self._arrays.array(block.strength)
            self._tunings = tune_ahead(sampler, learnt, on_host(learnt), groups, numbers, uniform)
        return self._tunings[used - 1]


def _for_the_host(tuning: Tuning) -> Tuning:
    """Give the host the numbers that it counts the steps with, and knows by what comes."""
    tuning = tuning._replace(num_steps=int(tuning.num_steps))
    if tuning.jump is not None:
        tuning = tuning._replace(jump=tuning.jump._replace(happens=int(tuning.jump.happens)))
    if tuning.pulling_strength is not None:
        tuning = tuning._replace(pulling_strength=unless_zero(tuning.pulling_strength))
    return tuning
