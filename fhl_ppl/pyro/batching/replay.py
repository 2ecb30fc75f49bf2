"""A recorded function, replayed in the fastest of the ways that work."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx._lazy_graph_module import _LazyGraphModule

from fhl_ppl.pyro.batching.recording import record
from fhl_ppl.pyro.batching.simplify_graph import simplify_graph
from fhl_ppl.pyro.model.one_particle import Outputs

Batched = Callable[[Tensor], Outputs]


class Recorded:
    """What a function did at a position, simplified; of other positions of that shape the same.

    Attributes
    ----------
    operations : int
        How many there are.
    """

    def __init__(self, function: Batched, position: Tensor) -> None:
        module = simplify_graph(record(function, position), position)
        self.operations = sum(node.op == "call_function" for node in module.graph.nodes)
        self._position = position
        self._script: Any = None
        # Of the module only its code: a call of it would look for hooks every time.
        self.interpreted: Batched = module_code(module)

    def scripted(self, position: Tensor) -> Outputs:
        """Have TorchScript replay it, which spares Python's share of every operation.

        On a CPU and for few particles that is more than half of the time; the operations, and so
        the results, are the same. Elsewhere TorchScript would fuse, that is compile.
        """
        if self._script is None:
            self._script = self._traced()
        # What TorchScript would optimise is done already, and takes it a second of a long record.
        with torch.jit.optimized_execution(False):
            outputs: Outputs = self._script(position)
        return outputs

    def _traced(self) -> Any:
        if self._position.device.type != "cpu":
            raise NotImplementedError("TorchScript is used on CPUs only")
        with warnings.catch_warnings():
            # TorchScript warns that it is no longer developed. Without it the record is run as is.
            warnings.simplefilter("ignore")
            return torch.jit.trace(
                lambda q: self.interpreted(q), (self._position,), check_trace=False
            )


def module_code(module: fx.GraphModule) -> Batched:
    """The code of a module, written if it was not yet."""
    _LazyGraphModule.force_recompile(module)
    forward: Batched = module.forward
    return forward
