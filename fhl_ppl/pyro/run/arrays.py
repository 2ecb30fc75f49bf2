"""On which arrays the algorithm runs: NumPy views of tensors on a CPU, tensors elsewhere.

`fhl_ppl.core` runs on either. On small arrays an operation of NumPy takes a quarter of the time of
one of Torch, and on a CPU the two share memory, so that nothing is copied.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

Array = Any


class TensorArrays:
    """Compute on tensors, wherever they are."""

    def array(self, tensor: Tensor) -> Array:
        """Return what to compute on in place of `tensor`."""
        return tensor

    def tensor(self, array: Array) -> Tensor:
        """Undo `array`."""
        return array

    def saved(self, array: Array) -> Tensor | float:
        """Return something that ``torch.load(..., weights_only=True)`` can read."""
        return array.clone()

    def loaded(self, saved: Tensor | float, like: Array) -> Array:
        """Undo `saved`, with the dtype and on the device of `like`."""
        return torch.as_tensor(saved, dtype=like.dtype, device=like.device).clone()


class NumpyArrays(TensorArrays):
    """Compute on NumPy arrays that share memory with tensors on the CPU."""

    def array(self, tensor: Tensor) -> Array:
        """Return a view of `tensor`."""
        return tensor.numpy()

    def tensor(self, array: Array) -> Tensor:
        """Return a view of `array`."""
        return torch.from_numpy(array)

    def saved(self, array: Array) -> Tensor | float:
        """Tell scalars, which become numbers, from arrays, as NumPy's rounding differs for them."""
        if isinstance(array, np.generic):
            return array.item()
        return torch.from_numpy(array.copy())

    def loaded(self, saved: Tensor | float, like: Array) -> Array:
        """Undo `saved`, with the dtype of `like`."""
        if isinstance(saved, Tensor):
            return saved.cpu().numpy().astype(like.dtype)
        return like.dtype.type(saved)


def on_host(values: Any) -> Any:
    """Return an array, or named tuples and dicts of arrays, with tensors as NumPy arrays.

    Examples
    --------
    >>> on_host(torch.ones(2))
    array([1., 1.], dtype=float32)
    """
    if isinstance(values, dict):
        return {name: on_host(value) for name, value in values.items()}
    if isinstance(values, tuple):
        return type(values)(*map(on_host, values))
    return values.cpu().numpy() if isinstance(values, Tensor) else values


def arrays_for(like: Tensor) -> TensorArrays:
    """Choose for the dtype and device of `like`.

    Examples
    --------
    >>> type(arrays_for(torch.zeros(1))).__name__
    'NumpyArrays'
    """
    on_host = like.device.type == "cpu" and like.dtype in (torch.float32, torch.float64)
    return NumpyArrays() if on_host else TensorArrays()
