"""What a run has to have in common with one that it goes on with."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np


def digest(values: Any) -> str:
    """Tell apart what a model is called with, by all of its numbers and texts.

    Arrays of any library count by type, shape and entries, what is neither array nor number nor
    text by its class alone.

    >>> digest([1.0, {"y": np.ones(3)}]) == digest((1.0, {"y": np.ones(3)}))
    True
    >>> digest(np.ones(3)) == digest(np.ones(3, np.float32))
    False
    """
    mark = hashlib.sha256()
    for part in _parts(values):
        mark.update(len(part).to_bytes(8, "little") + part)
    return mark.hexdigest()[:16]


def settings_of(options: Mapping[str, Any]) -> dict[str, str]:
    """Settings as text.

    >>> settings_of({"group_size": 4, "num_steps": None})
    {'group_size': '4', 'num_steps': 'None'}
    """
    return {name: repr(value) for name, value in options.items()}


def _parts(values: Any) -> Any:
    if isinstance(values, Mapping):
        for name in sorted(values, key=repr):
            yield repr(name).encode()
            yield from _parts(values[name])
    elif isinstance(values, list | tuple):
        yield f"{len(values)} values".encode()
        for value in values:
            yield from _parts(value)
    elif isinstance(values, str | bytes | bool | int | float | complex | None):
        yield repr(values).encode()
    else:
        yield from _of_array(values)


def _of_array(value: Any) -> Any:
    # Tensors with a gradient, or on a device, do not become arrays by themselves.
    value = value.detach().cpu() if hasattr(value, "detach") else value
    try:
        array = np.asarray(value)
    except TypeError:
        array = np.asarray(None)
    if array.dtype == object:
        whole = array.ndim > 0
        yield repr(array.tolist() if whole else type(value).__qualname__).encode()
    else:
        yield f"{array.dtype} {array.shape}".encode()
        yield np.ascontiguousarray(array).tobytes()
