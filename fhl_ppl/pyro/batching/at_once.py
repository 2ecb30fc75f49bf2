"""How many particles are evaluated at once: no more than a cache holds."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from fhl_ppl.pyro.model.one_particle import Quantity

LARGEST = 2**22
"""Bytes of the largest tensor that a batch makes. 64 particles of a logistic regression with 50,000
rows: 136 ms in blocks of 3 MiB, 154 of .8, 276 at once (12 MiB); of a Student regression 118, 148
and 143; with 5,000 rows and 50 columns 34 of .6, 31 of 1.2, 33 at once (2.4 MiB). One thread."""


class _Widest(TorchDispatchMode):
    """Finds the largest tensor that depends on a position."""

    def __init__(self, position: Tensor) -> None:
        super().__init__()
        self.bytes = 1
        # Tensors are told apart by their identity, so that none may be let go of.
        self._dependent = {id(position): position}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        results = func(*args, **(kwargs or {}))
        if any(id(each) in self._dependent for each in _flat(args)):
            for each in _flat((results,)):
                if isinstance(each, Tensor):
                    self._dependent[id(each)] = each
                    self.bytes = max(self.bytes, each.nbytes)
        return results


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, tuple | list):
            yield from value
        else:
            yield value


def particles_at_once(quantity: Quantity, position: Tensor) -> int:
    """How many particles of `position` [N, D] to evaluate at once: blocks as equal as can be.

    It goes by the shapes that one particle makes and by nothing that is timed, so that equal runs
    round equally. On a GPU it is all of them.
    """
    count, first = len(position), position[:1]
    if position.device.type != "cpu" or count == 1:
        return count
    widest = _Widest(first)
    with torch.no_grad(), widest:
        quantity.one_by_one(first)
    blocks = -(-count * widest.bytes // LARGEST)
    return max(1, -(-count // blocks))
