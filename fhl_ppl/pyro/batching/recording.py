"""Record the operations of a function, to be replayed without its Python code.

``torch.fx.experimental.proxy_tensor.make_fx`` does the same, and of every operation notes the
shapes, strides and symbolic sizes of what comes out, which nobody reads here and which takes most
of its time.
"""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx._lazy_graph_module import _LazyGraphModule
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

_aten = torch.ops.aten

VALUES = "values"
"""In the `meta` of a record: what each node came to."""

_VALUES = {_aten._local_scalar_dense.default, _aten.item.default}


def record(function: Callable[[Tensor], Any], position: Tensor) -> fx.GraphModule:
    """Return what `function` does to `position`, a tensor or a tuple of them, as a module.

    Raises
    ------
    RuntimeError
        If the function asks for the value of a tensor that depends on `position`.

    Examples
    --------
    >>> position = torch.ones(3)
    >>> module = record(lambda q: (q.exp().sum(), q + 1), position)
    >>> [node.name for node in module.graph.nodes]
    ['position', 'exp_default', 'sum_default', 'add_tensor', 'output']
    >>> [value.tolist() for value in module(torch.zeros(3))]
    [3.0, [1.0, 1.0, 1.0]]
    """
    recorder = _Recorder(position)
    with recorder:
        result = function(position)
    recorder.graph.output(tree_map(recorder.node_of, result))
    # Its Python code is written when it is first needed.
    module = _LazyGraphModule(recorder.constants, recorder.graph)
    module.meta[VALUES] = recorder.values
    return module


class _Recorder(TorchDispatchMode):
    def __init__(self, position: Tensor) -> None:
        super().__init__()
        self.constants: dict[str, Tensor] = {}
        self.graph = fx.Graph()
        # Tensors are told apart by their identity, so that none may be let go of.
        self._kept: list[Tensor] = [position]
        self._dependent = {id(position)}
        argument = self.graph.placeholder("position")
        self._nodes = {id(position): argument}
        self.values: dict[fx.Node, Any] = {argument: position}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _VALUES and id(args[0]) not in self._dependent:
            return func(*args, **kwargs)
        if func in _VALUES:
            raise RuntimeError(
                "data-dependent control flow: .item() of what depends on the argument"
            )
        if func is _aten.lift_fresh.default:
            return self._literal(args[0])
        self._depends = False
        node_args = tuple(self._converted(value) for value in args)
        node_kwargs = {name: self._converted(value) for name, value in kwargs.items()}
        depends = self._depends
        results = func(*args, **kwargs)
        node = self.graph.call_function(func, node_args, node_kwargs)
        self.values[node] = results
        if isinstance(results, Tensor):
            self._keep(results, node, depends)
        elif isinstance(results, tuple | list):
            for index, result in enumerate(results):
                if isinstance(result, Tensor):
                    part = self.graph.call_function(operator.getitem, (node, index))
                    self._keep(result, part, depends)
        return results

    def _converted(self, value: Any) -> Any:
        # Not by `tree_map`, which takes longer than the operations.
        if isinstance(value, Tensor):
            self._depends = self._depends or id(value) in self._dependent
            return self.node_of(value)
        if isinstance(value, tuple | list):
            return type(value)([self._converted(each) for each in value])
        return value

    def node_of(self, value: Any) -> Any:
        """Return the node of a tensor, one that holds it if it comes from outside."""
        if not isinstance(value, Tensor):
            return value
        if id(value) not in self._nodes:
            name = f"_tensor_constant{len(self._kept)}"
            self.constants[name] = value.detach()
            self._keep(value, self.graph.get_attr(name), False)
        return self._nodes[id(value)]

    def _literal(self, value: Tensor) -> Tensor:
        # Made anew at every call, as it may be written to: of this one a copy is kept.
        constant = self.node_of(value.clone())
        self._keep(
            value, self.graph.call_function(_aten.lift_fresh_copy.default, (constant,)), False
        )
        return value

    def _keep(self, value: Tensor, node: fx.Node, depends: bool) -> None:
        self._kept.append(value)
        self._nodes[id(value)] = node
        self.values[node] = value
        if depends:
            self._dependent.add(id(value))
