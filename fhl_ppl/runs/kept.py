"""The draws of a run so far: in memory, in a store, or in both."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from fhl_ppl.runs.names import from_arviz_names, insist_on_names, to_arviz_names
from fhl_ppl.runs.quality import Quality, quality, stride
from fhl_ppl.runs.sampling import Block, Sampling
from fhl_ppl.runs.store import FORMAT, Store

Array = np.ndarray

PATIENCE = 20
"""A block is written as soon as so many times what writing took has passed since: of a run of very
short blocks several are written together, and all that writing costs is a twentieth."""

MOST_BYTES = 2**24
"""Of blocks that wait to be written."""


class Kept:
    """Collects blocks.

    Parameters
    ----------
    sampling
        The run, which goes on from what the store has, if it has anything.
    store
        Where to write; None is nowhere.
    chunk
        Draws of each file of a new store.
    in_memory
        Whether all blocks stay in memory.
    early_warmup
        Whether warm-up may end early: a run that goes on has to have this in common, too.

    Attributes
    ----------
    blocks
        Those in memory.
    draws
        Of each chain, so far.

    Raises
    ------
    ValueError
        If the store is of another run, or damaged, or a site has a name that it cannot have.
    """

    def __init__(
        self,
        sampling: Sampling,
        store: Store | None,
        chunk: int,
        in_memory: bool,
        early_warmup: bool = False,
    ) -> None:
        self._sampling, self._store = sampling, store
        self._early_warmup = early_warmup
        self._in_memory = in_memory or store is None
        self._waiting: list[Block] = []
        self._state: Mapping[str, Array] = {}
        self._about: dict[str, Any] = {}
        self._drawn: dict[str, list[Any]] = {}
        self._written_at, self._took = -np.inf, 0.0
        self.blocks: list[Block] = []
        self.draws = 0
        if store is not None:
            store.chunk = chunk
            drawn = sampling.on_host(sampling.sites())
            insist_on_names(drawn)
            self._drawn = {name: [str(x.dtype), *x.shape[1:]] for name, x in drawn.items()}
        if store is not None and store.found is not None:
            store.check(self._identity())
            with store.whole_state():
                sampling.load(store.state())
            sampling.gradients = store.found["gradients"]
            self.draws = store.draws
            if self.draws and in_memory:
                statistics = from_arviz_names(store.read("sample_stats"), sampling.group)
                self.blocks.append(sampling.restored(store.read("posterior"), statistics))

    def warm_up(self, count: int) -> None:
        """Run so many iterations of the warm-up."""
        self._sampling.warm_up(count)
        self.add(None)

    def draw(self, count: int, stop: Callable[[], bool]) -> None:
        """Draw so many times, or less if `stop` says so on the way."""
        self.add(self._sampling.draw(count, stop))

    def quality(self, sites: Iterable[str], ess: float | None) -> Quality:
        """Find the worst scalars of these sites, of which so many effective draws are wanted."""
        every = stride(self.draws, ess)
        gathered = self._sampling.processes.gathered
        group = gathered(self._sampling.group)
        return quality(sites, lambda site: gathered(self.read(site, every)), group)

    def publish(self) -> None:
        """Let the `MCMC` hold the draws in memory."""
        self._sampling.publish(self.blocks)

    def add(self, block: Block | None) -> None:
        """Keep a block, and where the run stands after it; None is one of warm-up."""
        if block is not None and not block.length:
            block = None
        if self._store is not None:
            self._state = self._sampling.save()
        if block is not None:
            self.draws += block.length
            if self._in_memory:
                self.blocks.append(block)
        if self._store is None:
            return
        if block is not None:
            self._waiting.append(block._replace(whole=None))
        self._about = {
            "format": FORMAT,
            "identity": self._identity(),
            "gradients": self._sampling.gradients,
        }
        waited = time.monotonic() - self._written_at
        size = sum(x.nbytes for each in self._waiting for x in each.arrays())
        if waited > PATIENCE * self._took or size > MOST_BYTES:
            self.write()

    def write(self) -> None:
        """Write what waits."""
        if self._store is None or not self._state:
            return
        if self._store.draws == self.draws:
            # Written before an error or a Ctrl-C, which came when all counted.
            self._waiting = []
        began = time.monotonic()
        blocks: dict[str, dict[str, Array]] = {}
        if self._waiting:
            statistics = to_arviz_names(_joined([each.sample_stats for each in self._waiting]))
            posterior = _joined([each.posterior for each in self._waiting])
            blocks = {"posterior": posterior, "sample_stats": statistics}
        settings = {} if self._store.draws or not blocks else self._settings()
        self._store.write(blocks, self._state, self._about, self._sampling.group, settings)
        self._waiting, self._state = [], {}
        self._written_at = time.monotonic()
        self._took = self._written_at - began

    def _identity(self) -> dict[str, Any]:
        own = {"early_warmup": self._early_warmup, "drawn": self._drawn}
        return {**self._sampling.identity(), **own}

    def _settings(self) -> dict[str, Any]:
        return {**self._sampling.settings(), "warmup_done": self._sampling.warmup_done}

    @property
    def sites(self) -> list[str]:
        """Names of what is drawn."""
        if self.blocks:
            return list(self.blocks[0].posterior)
        assert self._store is not None
        self.write()
        return self._store.names("posterior")

    def read(self, site: str, every: int) -> Array:
        """Every so many-th draw of a site, [chain, draw, ...]."""
        if not self._in_memory:
            assert self._store is not None
            self.write()
            return self._store.read_one("posterior", site, every)
        draws = [block.posterior[site] for block in self.blocks]
        return np.concatenate(draws, axis=1)[:, ::every]


def _joined(parts: list[dict[str, Array]]) -> dict[str, Array]:
    return {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
