"""Draw in blocks until it is enough, looking at the draws now and then. Knows no backend."""

import time
from collections.abc import Callable
from contextlib import closing
from math import gcd
from typing import Any, NamedTuple, Protocol

import numpy as np

from fhl_ppl.runs.interrupts import Interrupts
from fhl_ppl.runs.progress import Line
from fhl_ppl.runs.quality import Quality, quality, stride
from fhl_ppl.runs.until import Looks, Until

Array = np.ndarray

LONGEST_BLOCK = 100
"""Iterations of a block; where more draws are asked for than 50 times so many, a fiftieth of them.
Between two blocks a run is at a standstill for some milliseconds."""

BLOCKS = 50


class Block(NamedTuple):
    """Draws of a block, and what is reported of each, as NumPy arrays [chain, draw, ...] by name.

    `whole` is what the adapter itself makes of them, to be handed back to `Sampling.publish`.
    """

    posterior: dict[str, Array]
    sample_stats: dict[str, Array]
    whole: Any = None


class Sampling(Protocol):
    """What an adapter does for a run in blocks; made of an `MCMC` with a start for all particles.

    Attributes
    ----------
    warmup_left
        Iterations of the warm-up to be done.
    warmup_steps
        All of them.
    num_draws
        Draws of each chain that are asked for if nothing else is.
    gradients
        Evaluated so far, by all particles together.
    group
        Group of each chain, [chain].
    """

    warmup_left: int
    warmup_steps: int
    num_draws: int
    gradients: float
    group: Array

    def warm_up(self, count: int) -> None:
        """Run so many iterations of the warm-up."""

    def draw(self, count: int, stop: Callable[[], bool]) -> Block:
        """Draw so many times, or less if `stop` says so on the way."""

    def publish(self, blocks: list[Block]) -> None:
        """Let the `MCMC` hold the draws of these blocks, as after its own `run`."""


class Status(NamedTuple):
    """How a run stands after a block.

    Attributes
    ----------
    draws
        Of each chain.
    gradients
        Of all particles together, warm-up included.
    seconds
        Of this call.
    quality
        The worst scalars at the last look; None before it, or if nothing is asked of them.
    missing
        What was missing then, in words.
    stopped
        "" while it goes on, then why it ended: "target", "draws", "seconds", "gradients",
        "callback" or "interrupt".
    """

    draws: int
    gradients: float
    seconds: float
    quality: Quality | None
    missing: str
    stopped: str


def run_in_blocks(
    sampling: Sampling,
    until: Until,
    callback: Callable[[Status], Any] | None,
    block: int | None,
    line: Line,
) -> Status:
    """Draw until it is enough; the arguments are those of `fhl_ppl.run`.

    Raises
    ------
    KeyboardInterrupt
        If it comes in warm-up, where there is nothing to keep.
    """
    began = time.monotonic()
    length = block or block_length(sampling.warmup_steps, until.draws or sampling.num_draws)
    blocks: list[Block] = []
    looks = Looks()
    status = Status(0, sampling.gradients, 0.0, None, "", "")
    with closing(line), Interrupts() as interrupts:
        while sampling.warmup_left:
            sampling.warm_up(min(length, sampling.warmup_left))
            left = sampling.warmup_left
            line.show(f"warm-up {sampling.warmup_steps - left} of {sampling.warmup_steps}")
            interrupts.check()
        while not status.stopped:
            try:
                ahead = length if until.draws is None else min(length, until.draws - status.draws)
                blocks.append(sampling.draw(ahead, interrupts.asked))
                status = _after(blocks, status, sampling, until, looks, began)
                line.show(_described(status, until))
                if callback is not None:
                    sampling.publish(blocks)
                    if callback(status) and not status.stopped:
                        status = status._replace(stopped="callback")
                if interrupts.asked() and not status.stopped:
                    status = status._replace(stopped="interrupt")
            except KeyboardInterrupt:
                status = status._replace(stopped="interrupt")
    if blocks:
        sampling.publish(blocks)
    return status


def block_length(num_warmup: int, num_draws: int) -> int:
    """How many iterations to run at a time.

    One length that divides warm-up and draws, if there is one of a fair size: of every length that
    occurs NumPyro compiles a loop of its own.

    >>> block_length(1000, 1000), block_length(500, 800), block_length(1000, 997)
    (100, 100, 100)
    >>> block_length(200, 60), block_length(1000, 10**6)
    (100, 1000)
    """
    longest = max(LONGEST_BLOCK, num_draws // BLOCKS)
    common = gcd(num_warmup, num_draws)
    fair = [size for size in range(LONGEST_BLOCK // 4, longest + 1) if common % size == 0]
    return max(fair, default=longest)


def _after(
    blocks: list[Block],
    status: Status,
    sampling: Sampling,
    until: Until,
    looks: Looks,
    began: float,
) -> Status:
    draws = status.draws + _length(blocks[-1])
    seconds = time.monotonic() - began
    status = status._replace(draws=draws, gradients=sampling.gradients, seconds=seconds)
    status = status._replace(stopped=until.spent(draws, seconds, sampling.gradients))
    if until.looks_at_draws and looks.due(draws):
        found = _look(blocks, draws, sampling.group, until)
        missing = until.missing(found)
        status = status._replace(quality=found, missing=missing)
        if not missing:
            status = status._replace(stopped="target")
    return status


def _look(blocks: list[Block], draws: int, group: Array, until: Until) -> Quality:
    every = stride(draws, until.ess)

    def read(site: str) -> Array:
        return np.concatenate([block.posterior[site] for block in blocks], axis=1)[:, ::every]

    known = blocks[-1].posterior
    unknown = sorted(set(until.sites or ()) - set(known))
    if unknown:
        raise ValueError(f"sites has {unknown[0]!r}, which is not drawn; there are {list(known)}.")
    return quality(until.sites or known, read, group)


def _length(block: Block) -> int:
    return next((x.shape[1] for x in (block.posterior | block.sample_stats).values()), 0)


def _described(status: Status, until: Until) -> str:
    of = "" if until.draws is None else f" of {until.draws}"
    parts = [f"draws {status.draws}{of}", f"{status.gradients:.3g} gradients"]
    if status.missing:
        parts.append(status.missing)
    return " · ".join([*parts, f"{status.seconds:.0f} s"])
