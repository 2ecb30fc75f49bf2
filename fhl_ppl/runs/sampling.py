"""What an adapter does for a run in blocks."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from fhl_ppl.runs.former import Former
from fhl_ppl.runs.processes import Alone

Array = np.ndarray


class Block(NamedTuple):
    """Draws of a block, and what is reported of each, as NumPy arrays [chain, draw, ...] by name.

    `whole` is what the adapter itself makes of them, to be handed back to `Sampling.publish`.
    """

    posterior: dict[str, Array]
    sample_stats: dict[str, Array]
    whole: Any = None

    def arrays(self) -> Iterator[Array]:
        """All of both kinds."""
        yield from self.posterior.values()
        yield from self.sample_stats.values()

    @property
    def length(self) -> int:
        """Draws of each chain."""
        return next((x.shape[1] for x in self.arrays()), 0)


class Sampling(Protocol):
    """A run of an `MCMC` that has a start for all particles.

    Attributes
    ----------
    warmup_left
        Iterations of the warm-up to be done.
    warmup_done
        Those that were done.
    warmup_steps
        All that were planned.
    num_draws
        Draws of each chain that are asked for if nothing else is.
    gradients
        Evaluated so far, by all particles together.
    group
        Group of each chain whose draws are here, [chain].
    processes
        Where the other chains are, if not all are here.
    """

    warmup_done: int
    warmup_steps: int
    num_draws: int
    gradients: float
    processes: Alone

    @property
    def warmup_left(self) -> int: ...  # noqa: D102

    @property
    def group(self) -> Array: ...  # noqa: D102

    def warm_up(self, count: int) -> None:
        """Run so many iterations of the warm-up."""

    def hasten(self, block: int) -> None:
        """End the warm-up in a few blocks of this length, if nothing else is to be learnt."""

    def draw(self, count: int, stop: Callable[[], bool]) -> Block:
        """Draw so many times, or less if `stop` says so on the way."""

    def sites(self) -> dict[str, Any]:
        """Where the chains are: arrays of the backend, [chain, ...] by name."""

    def on_host(self, arrays: Any) -> Any:
        """Rows of the chains here, of arrays in nested tuples and dicts, as NumPy arrays."""

    def fold(
        self,
        count: int,
        stop: Callable[[], bool],
        update: Callable[[Any, dict[str, Any]], Any],
        carried: Any,
    ) -> tuple[Any, int]:
        """Run so many iterations, or less if `stop` says so, and keep no draw.

        Of those after warm-up each is taken up, ``carried = update(carried, sites)``; nested tuples
        and dicts of arrays whose shapes stay. Returns it, and how many were run.
        """

    def former(self) -> Former:
        """Where the chains are, for another run to start from, and the metric."""

    def publish(self, blocks: list[Block]) -> None:
        """Let the `MCMC` hold the draws of these blocks, as after its own `run`."""

    def identity(self) -> Mapping[str, Any]:
        """What a run that goes on with this one has to have in common, for `json`."""

    def settings(self) -> Mapping[str, Any]:
        """What the sampler was, as attributes of the draws."""

    def save(self) -> Mapping[str, Array]:
        """All that the rest of the run depends on."""

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Go on from where `save` was called, or raise ValueError if that was of another target."""

    def restored(self, posterior: dict[str, Array], sample_stats: dict[str, Array]) -> Block:
        """Make a block of what was stored of several."""

    def without_companions(self) -> None:
        """Keep no draws of private companions, for which a store has no place."""
