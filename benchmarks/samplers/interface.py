"""What a sampler of any library is to the harness: two functions of arrays, to be compiled."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Size(NamedTuple):
    chains: int
    warmup: int
    draws: int


class Draws(NamedTuple):
    """A stretch of draws, [chain, draw, ...] throughout.

    Gradients are those whose result a chain used: steps that a chain waits through because another
    one in the batch needs them are not counted. An ensemble sampler's are energies.
    """

    sites: dict[str, Any]
    gradients: Any
    divergent: Any


class Sampler(NamedTuple):
    """`start(key)` warms up: (state, gradients of all chains). `advance(state)`: (state, Draws)."""

    start: Callable
    advance: Callable


class Entry(NamedTuple):
    """A sampler by name. `build(model, size, sites)` makes a Sampler that draws `size.draws`.

    `fewest(dim)` is the number of chains that the method needs, whatever is asked for, and
    `iterations` how many of its iterations stand for one: where one is a step or two long, so that
    no sampler is cut off long before the others. What is not `is_compiled` runs as it is.
    """

    build: Callable
    settings: dict[str, Any]
    fewest: Callable = lambda dim: 1
    iterations: int = 1
    is_compiled: bool = True

    def size(self, asked, dim):
        chains = max(asked.chains, self.fewest(dim))
        return Size(chains, asked.warmup * self.iterations, asked.draws * self.iterations)
