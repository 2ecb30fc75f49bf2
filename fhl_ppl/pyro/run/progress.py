"""Pyro's progress bar, with a message now and then."""

import time

from pyro.infer.mcmc.logger import ProgressBar

from fhl_ppl.pyro.run.chains import Chains

SECONDS_BETWEEN_MESSAGES = 0.1
"""How often the bar looks at the particles, which on a GPU makes the host wait."""


class Progress:
    """Shows the stage, the speed, and what `Chains.logging` returns."""

    def __init__(self, chains: Chains, num_samples: int, disable: bool) -> None:
        remaining = max(0, chains.engine.sampler.num_warmup - chains.engine.iteration)
        self._chains = chains
        self._bar = ProgressBar(remaining, num_samples, disable=disable)
        self._stage = ""
        self._last = 0.0

    def advance(self, stage: str) -> None:
        """Count one iteration of `stage`."""
        if self._bar.disable:
            return
        if stage != self._stage:
            self._bar.set_description(stage, refresh=False)
            self._stage = stage
        if time.monotonic() - self._last > SECONDS_BETWEEN_MESSAGES:
            self._last = time.monotonic()
            self._bar.set_postfix(self._chains.logging(), refresh=False)
        self._bar.update()

    def close(self) -> None:
        """Leave the bar as it is and end its line."""
        self._bar.close()
