"""Nested named tuples and dicts of arrays, several of a kind stacked along a first axis."""

from typing import Any

from fhl_ppl.core.arrays import array_namespace


def stack(values: list[Any]) -> Any:
    """Stack alike values, array by array.

    >>> import numpy as np
    >>> stack([{"a": (np.zeros(2), None)}, {"a": (np.ones(2), None)}])["a"][0].shape
    (2, 2)
    """
    first = values[0]
    if first is None:
        return None
    if isinstance(first, dict):
        return {name: stack([value[name] for value in values]) for name in first}
    if isinstance(first, tuple):
        return _like(first, [stack(list(parts)) for parts in zip(*values, strict=True)])
    return array_namespace(first).stack(values)


def at(value: Any, place: int | slice) -> Any:
    """One of what was stacked, or a few."""
    return each_array(lambda array: array[place, ...], value)


def each_array(function: Any, *values: Any) -> Any:
    """Apply to every array of alike values: the first, the second and so on of each together."""
    first = values[0]
    if first is None:
        return None
    if isinstance(first, dict):
        return {name: each_array(function, *(value[name] for value in values)) for name in first}
    if isinstance(first, tuple):
        return _like(first, [each_array(function, *parts) for parts in zip(*values, strict=True)])
    return function(*values)


def length(value: Any) -> int:
    """How many were stacked."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple):
        return next((found for found in map(length, value) if found), 0)
    return 0 if value is None else int(value.shape[0])


def _like(first: tuple[Any, ...], parts: list[Any]) -> Any:
    return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
