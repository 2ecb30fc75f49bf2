"""A recorded function, replayed in the fastest of the ways that work."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.fx._lazy_graph_module import _LazyGraphModule

from fhl_ppl.pyro.batching.recording import record
from fhl_ppl.pyro.batching.simplify_graph import simplify_graph
from fhl_ppl.pyro.model.one_particle import Outputs

Batched = Callable[[Tensor], Outputs]


SCRIPTED_AT_ONCE = 1000
"""Operations up to which TorchScript is used from the start: it takes .6 ms for each to trace and
optimise it (50 time steps, 4,600 operations: 2.9 s)."""

SCRIPTED_AFTER = 100
"""Calls after which it is used for more of them. Python takes 6 microseconds for each operation,
two to four times as long as TorchScript: then it has cost as much as tracing will. A number and not
a time, so that runs round equally."""


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
        _LazyGraphModule.force_recompile(module)
        # Of the module only its code: a call of it would look for hooks every time.
        self.interpreted: Batched = module.forward
        self._replay = self.interpreted
        # Elsewhere TorchScript would fuse, that is compile.
        self._may_script = position.device.type == "cpu"
        self._calls_left = 0 if self.operations <= SCRIPTED_AT_ONCE else SCRIPTED_AFTER

    def __call__(self, position: Tensor) -> Outputs:
        """Replay it, by TorchScript once that pays, which spares Python's share of an operation.

        On a CPU and for few particles that is more than half of the time; the operations, and so
        the results, are the same.
        """
        if self._may_script and self._calls_left == 0:
            self._may_script = False
            self._replay = self._scripted(position)
        self._calls_left -= 1
        return self._replay(position)

    def _scripted(self, position: Tensor) -> Batched:
        forward = self.interpreted
        try:
            with warnings.catch_warnings():
                # TorchScript warns that it is no longer developed.
                warnings.simplefilter("ignore")
                script: Batched = torch.jit.trace(
                    lambda q: forward(q), (position,), check_trace=False
                )
            if all(map(torch.equal, script(position), forward(position))):
                return script
        except Exception:
            # Nothing is lost but time.
            pass
        return forward
