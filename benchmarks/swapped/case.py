"""What a script is made of: a model, its data, and what is compared of the draws."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Case(NamedTuple):
    """A model with what a user would give beside it.

    `kernel` are arguments of either kernel. `compared` makes quantities by name of the draws by
    site, [chain, draw, ...]: where labels may be switched those that know no labels, where tails
    have no moments logarithms; by default it takes the draws as they are. `x64`: the script begins
    with ``numpyro.enable_x64()``.
    """

    model: Callable
    args: tuple
    kernel: Mapping[str, Any] = MappingProxyType({})
    compared: Callable = dict
    x64: bool = False


def chosen(*names):
    """Compare these sites alone."""
    return lambda draws: {name: draws[name] for name in names}


class Ran(NamedTuple):
    """What came of a script: draws by site [chain, draw, ...], and what they took.

    `gradients` are those of all particles, warm-up included; `rung` is how FHL evaluates a model of
    Pyro.
    """

    draws: dict[str, Any]
    gradients: int
    divergent: int
    rung: str = ""
