"""How many particles are evaluated at once: no more than a cache holds."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fhl_ppl.pyro.model.one_particle import Quantity

LARGEST = 2**21
"""Bytes of the largest tensor that a batch makes."""


class _Widest(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.size = 1

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        results = func(*args, **(kwargs or {}))
        for each in tree_leaves(results):
            if isinstance(each, Tensor):
                self.size = max(self.size, each.nbytes)
        return results


def particles_at_once(quantity: Quantity, position: Tensor) -> int:
    """How many particles of `position` [N, D] to evaluate at once: blocks as equal as can be.

    It depends on the shapes that one particle makes and on nothing that is measured, so that
    equal runs round equally. On a GPU all are.
    """
    count = len(position)
    if position.device.type != "cpu" or count == 1:
        return count
    widest = _Widest()
    with torch.no_grad(), widest:
        quantity.one_by_one(position[:1])
    blocks = -(-count * widest.size // LARGEST)
    return max(1, -(-count // blocks))
