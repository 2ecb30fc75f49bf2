"""What the progress bar says of the state."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fhl_ppl.numpyro.state import FHLState

_INTERVAL = 0.1
"""Seconds between two looks at the state, as often as the bar is drawn: each look waits for the
iteration to end, which would otherwise be computed while the next is being sent off."""


class Ticker:
    """Makes the text, no more often than the bar shows it."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._next = -np.inf
        self._text = ""

    def __call__(self, state: FHLState) -> str:
        """Acceptance, divergences, steps and pull of the chains together."""
        if self._now() >= self._next:
            self._text = describe(state)
            self._next = self._now() + _INTERVAL
        return self._text


def describe(state: Any) -> str:
    """One line: means over the chains here, and divergences since the phase began."""
    steps, size, accepted, pull = (
        float(np.mean(_here(getattr(state, name))))
        for name in ("n_steps", "step_size", "mean_accept_prob", "pulling_strength")
    )
    return (
        f"{steps:.0f} steps of size {size:.2e}. acc. prob={accepted:.2f}. pull={pull:.2g}. "
        f"{int(np.sum(_here(state.num_diverging)))} diverging"
    )


def _here(values: Any) -> np.ndarray:
    """Those of this process: others may be looking at another iteration."""
    if getattr(values, "is_fully_addressable", True):
        return np.asarray(values)
    return np.concatenate([np.ravel(shard.data) for shard in values.addressable_shards])
