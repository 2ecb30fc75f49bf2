"""Which array library an array belongs to, found once for each type; and what that asks for."""

from types import ModuleType
from typing import Any

import array_api_compat
import numpy as np

_NAMESPACES: dict[type, ModuleType] = {}
if hasattr(np, "cumulative_sum"):
    # From 2.1 on NumPy has all that is used here by itself, without a wrapper for each function.
    _NAMESPACES[np.ndarray] = np


def array_namespace(array: Any) -> ModuleType:
    """Return the array API namespace of `array`.

    As `array_api_compat.array_namespace`, which takes some microseconds for an answer that is the
    same for all arrays of a type. Small arrays are asked hundreds of times an iteration.

    Examples
    --------
    >>> import numpy as np
    >>> array_namespace(np.ones(2)).__name__
    'numpy'
    """
    kind = type(array)
    if kind not in _NAMESPACES:
        _NAMESPACES[kind] = array_api_compat.array_namespace(array)
    return _NAMESPACES[kind]


def numbered(like: Any) -> Any:
    """0, 1, 2, ... for the last axis of `like`, in its type and on its device.

    >>> import numpy as np
    >>> numbered(np.zeros((2, 3)))
    array([0., 1., 2.])
    """
    xp = array_namespace(like)
    return xp.arange(like.shape[-1], dtype=like.dtype, device=array_api_compat.device(like))


def eye(like: Any) -> Any:
    """The identity matrix for the last axis of `like`, in its type and on its device.

    >>> import numpy as np
    >>> eye(np.zeros((3, 2)))
    array([[1., 0.],
           [0., 1.]])
    """
    xp = array_namespace(like)
    return xp.eye(like.shape[-1], dtype=like.dtype, device=array_api_compat.device(like))
