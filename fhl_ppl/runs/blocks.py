"""Draw in blocks until it is enough, looking at the draws now and then. Knows no backend."""

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from math import gcd
from typing import Any, NamedTuple, Protocol

from fhl_ppl.runs.interrupts import Interrupts
from fhl_ppl.runs.progress import Line
from fhl_ppl.runs.quality import Quality
from fhl_ppl.runs.sampling import Sampling
from fhl_ppl.runs.until import Looks, Until

LONGEST_BLOCK = 100
"""Iterations of a block; where more draws are asked for than 50 times so many, a fiftieth of them.
Between two blocks a run is at a standstill for some milliseconds."""

BLOCKS = 50

LONGEST_OF_ALL = 10_000
"""No block is longer, however many draws are asked for: time and Ctrl-C count between two."""

HASTY_BLOCK = 50
"""The same where warm-up may end early, which is decided between two blocks."""


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
    warmup
        Iterations of the warm-up that were made.
    """

    draws: int
    gradients: float
    seconds: float
    quality: Quality | None
    missing: str
    stopped: str
    warmup: int = 0


class Keeper(Protocol):
    """What becomes of the draws: kept (`kept.Kept`), or taken up in moments (`streamed.Taken`).

    Attributes
    ----------
    draws
        Of each chain, so far.
    """

    draws: int

    @property
    def sites(self) -> list[str]: ...  # noqa: D102

    def warm_up(self, count: int) -> None:
        """Run so many iterations of the warm-up."""

    def draw(self, count: int, stop: Callable[[], bool]) -> None:
        """Draw so many times, or less if `stop` says so on the way."""

    def quality(self, sites: Iterable[str], ess: float | None) -> Quality:
        """Find the worst scalars of these sites, of which so many effective draws are wanted."""

    def publish(self) -> None:
        """Let the `MCMC` hold the draws so far."""

    def write(self) -> None:
        """Write what waits to be written."""


def run_in_blocks(
    sampling: Sampling,
    until: Until,
    callback: Callable[[Status], Any] | None,
    length: int,
    kept: Keeper,
    line: Line,
    early_warmup: bool = False,
) -> Status:
    """Draw until it is enough, in blocks of `length`; for `fhl_ppl.run`, whose arguments these are.

    Raises
    ------
    KeyboardInterrupt
        If it comes in warm-up, where there is nothing to keep.
    """
    began = time.monotonic()
    looks = Looks()
    with closing(line), Interrupts() as interrupts:
        while sampling.warmup_left:
            # Before a block, so that a run that goes on from a store decides as this one does.
            if early_warmup:
                sampling.hasten(length)
            kept.warm_up(min(length, sampling.warmup_left))
            done = sampling.warmup_done
            line.show(f"warm-up {done} of {done + sampling.warmup_left}")
            interrupts.check()
        status = Status(kept.draws, sampling.gradients, 0.0, None, "", "", sampling.warmup_done)
        try:
            # Of a run that goes on, the draws that there are may be enough.
            status = _look_at(status, kept, until, looks)
            while not status.stopped:
                ahead = length if until.draws is None else min(length, until.draws - kept.draws)
                kept.draw(ahead, interrupts.asked)
                seconds = time.monotonic() - began
                status = status._replace(gradients=sampling.gradients, seconds=seconds)
                status = _look_at(status._replace(draws=kept.draws), kept, until, looks)
                line.show(_described(status, until))
                if callback is not None:
                    kept.publish()
                    status = _stop(status, "callback" if callback(status) else "")
                status = _stop(status, "interrupt" if interrupts.asked() else "")
                status = status._replace(stopped=sampling.processes.agreed(status.stopped))
        except KeyboardInterrupt:
            status = status._replace(stopped="interrupt")
        finally:
            kept.publish()
            kept.write()
    return status


def block_length(num_warmup: int, num_draws: int, longest: int = LONGEST_BLOCK) -> int:
    """How many iterations to run at a time.

    One length that divides warm-up and draws, if there is one of a fair size: of every length that
    occurs NumPyro compiles a loop of its own.

    >>> block_length(1000, 1000), block_length(500, 800), block_length(1000, 997)
    (100, 100, 100)
    >>> block_length(200, 60), block_length(1000, 10**6), block_length(30, 10**12)
    (100, 1000, 10000)
    """
    longest = max(longest, min(num_draws // BLOCKS, LONGEST_OF_ALL))
    common = gcd(num_warmup, num_draws)
    fair = [size for size in range(LONGEST_BLOCK // 4, longest + 1) if common % size == 0]
    return max(fair, default=longest)


def _look_at(status: Status, kept: Keeper, until: Until, looks: Looks) -> Status:
    draws = kept.draws
    if until.looks_at_draws and looks.due(draws):
        sites = until.sites or kept.sites
        unknown = sorted(set(sites) - set(kept.sites))
        if unknown:
            raise ValueError(
                f"sites has {unknown[0]!r}, which is not drawn; there are {list(kept.sites)}."
            )
        found = kept.quality(sites, until.ess)
        status = status._replace(quality=found, missing=until.missing(found))
        status = _stop(status, "" if status.missing else "target")
    return _stop(status, until.spent(draws, status.seconds, status.gradients))


def _stop(status: Status, reason: str) -> Status:
    """Stop for this reason, if it is one and there was none before."""
    return status._replace(stopped=status.stopped or reason)


def _described(status: Status, until: Until) -> str:
    of = "" if until.draws is None else f" of {until.draws}"
    parts = [f"draws {status.draws}{of}", f"{status.gradients:.3g} gradients"]
    if status.missing:
        parts.append(status.missing)
    return " · ".join([*parts, f"{status.seconds:.0f} s"])
