"""Loops and branches: a compiled backend has its own, so they come in as an argument."""

from collections.abc import Callable
from typing import Any, NamedTuple

from fhl_ppl.core.stacked import at, length, stack


def _aside(due: Any, function: Callable, known: Any, particles: Any) -> Any:
    return function(known, particles, PYTHON) if due else (known, particles)


def _map(function: Callable, operand: Any) -> Any:
    return stack([function(at(operand, k)) for k in range(length(operand))])


class Control(NamedTuple):
    """How a backend repeats and chooses.

    Attributes
    ----------
    fori_loop
        (lower, upper, body, init) -> value, as `jax.lax.fori_loop`.
    cond
        (predicate, true_fun, false_fun, operand) -> value, as `jax.lax.cond`: only one of the two
        is run. Both return values of the same shapes and types.
    aside
        (due, function, known, particles) -> function(known, particles, control) where it is `due`,
        and (known, particles) where not: for what is done a few times in a run, and would take
        longer to compile than to do. It returns what it is given, of the same shapes and types;
        of `particles` all leaves are [particle, ...]. `function` has to be pure, and may be given
        NumPy arrays and `PYTHON`. Default: on the spot.
    map
        (function, operand) -> results, as `jax.lax.map`: one after the other along the first axis
        of all arrays, so that a `cond` stays one. Default: a loop of Python.
    """

    fori_loop: Callable
    cond: Callable
    aside: Callable = _aside
    map: Callable = _map


def _fori_loop(lower: int, upper: int, body: Callable[[int, Any], Any], init: Any) -> Any:
    for index in range(int(lower), int(upper)):
        init = body(index, init)
    return init


def _cond(predicate: Any, true_fun: Callable, false_fun: Callable, operand: Any) -> Any:
    return true_fun(operand) if predicate else false_fun(operand)


PYTHON = Control(_fori_loop, _cond)
"""Of Python itself."""
