"""Take out of a recorded function what need not be done at every call.

A record made by ``make_fx`` repeats all that a model does, and each operation costs some
microseconds whatever its size. About half of them do nothing (views to the same shape), are not
used, or do not depend on the parameters (the normalising constants of data).
"""

import operator
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, fx
from torch._ops import OpOverload

from fhl_ppl.pyro.batching.recording import VALUES

Values = dict[fx.Node, Any]

_aten = torch.ops.aten

# Results that depend on the shape of their argument and not on its values.
_FILLED = {
    *(_aten.zeros_like.default, _aten.ones_like.default, _aten.full_like.default),
    *(_aten.new_zeros.default, _aten.new_ones.default, _aten.new_full.default),
}
# Nothing but another view of the first argument.
_VIEWS = {
    *(_aten.view.default, _aten._unsafe_view.default, _aten.expand.default),
    *(_aten.detach.default, _aten.alias.default),
}
# With this other argument, equal to the one.
_NEUTRAL = {
    _aten.add.Tensor: 0,
    _aten.sub.Tensor: 0,
    _aten.mul.Tensor: 1,
    _aten.mul.Scalar: 1,
    _aten.div.Tensor: 1,
    _aten.pow.Tensor_Scalar: 1,
}
_COMMUTATIVE = {_aten.add.Tensor, _aten.mul.Tensor}


def simplify_graph(module: fx.GraphModule, position: Tensor) -> fx.GraphModule:
    """Simplify a recorded function in place, and return it.

    What is written to in place, and all that it is made from, is left as it is.

    Parameters
    ----------
    module
        As ``torch.fx.experimental.proxy_tensor.make_fx`` returns it, for fixed shapes.
    position
        The argument that it was recorded with.

    Examples
    --------
    >>> import torch
    >>> from torch.fx.experimental.proxy_tensor import make_fx
    >>> data, position = torch.arange(3.0), torch.ones(3)
    >>> module = make_fx(lambda q: q.view(3) * 1.0 + data.exp().sum())(position)
    >>> before = len(module.graph.nodes)
    >>> before > len(simplify_graph(module, position).graph.nodes)
    True
    >>> [node.name for node in module.graph.nodes if node.op == "call_function"]
    ['add']
    """
    graph = module.graph
    values = _values(module, position)
    untouchable = _written_to(graph)
    constant = _independent(graph, untouchable)
    _skip_identities(graph, values, constant, untouchable)
    _fold(module, values, constant)
    _share_repeated(graph, untouchable)
    _drop_unused(graph)
    module.recompile()
    return module


def _values(module: fx.GraphModule, position: Tensor) -> Values:
    """Return the value of every node, as it was recorded or from a run."""
    if VALUES in module.meta:
        recorded: Values = module.meta.pop(VALUES)
        return recorded
    interpreter = fx.Interpreter(module, garbage_collect_values=False)
    # Not by its `run`, which makes a progress bar. Pyro forks while it makes bars of its own in a
    # thread, and their lock may then be held for ever in the new process.
    interpreter.args_iter = iter((position,))
    for node in module.graph.nodes:
        interpreter.env[node] = interpreter.run_node(node)
    return interpreter.env


def _is_pure(node: fx.Node) -> bool:
    """Tell whether a node does nothing but to return the same result every time."""
    if node.op == "get_attr":
        return True
    if node.op != "call_function":
        return False
    if node.target is operator.getitem:
        return True
    if not isinstance(node.target, OpOverload):
        return False
    schema = node.target._schema
    # What returns nothing is there to raise.
    returns = len(schema.returns) > 0
    random = torch.Tag.nondeterministic_seeded in node.target.tags
    return returns and not random and not schema.is_mutable


def _written_to(graph: fx.Graph) -> set[fx.Node]:
    """Find the arguments of operations that are not pure, and what they are made from."""
    found: set[fx.Node] = set()
    pending = [
        argument
        for node in graph.nodes
        if node.op not in ("placeholder", "output") and not _is_pure(node)
        for argument in (node, *node.all_input_nodes)
    ]
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending.extend(node.all_input_nodes)
    return found


def _independent(graph: fx.Graph, untouchable: set[fx.Node]) -> set[fx.Node]:
    """Find the nodes whose value is the same for every position."""
    constant: set[fx.Node] = set()
    for node in graph.nodes:
        known = node.target in _FILLED or all(n in constant for n in node.all_input_nodes)
        if known and _is_pure(node) and node not in untouchable:
            constant.add(node)
    return constant


def _skip_identities(
    graph: fx.Graph, values: Values, constant: set[fx.Node], untouchable: set[fx.Node]
) -> None:
    for node in graph.nodes:
        if node.op != "call_function" or node in untouchable:
            continue
        for source in _equal_arguments(node, values, constant):
            new, old = values[node], values[source]
            if source not in untouchable and (new.shape, new.dtype) == (old.shape, old.dtype):
                node.replace_all_uses_with(source)
                break


def _equal_arguments(node: fx.Node, values: Values, constant: set[fx.Node]) -> Iterator[fx.Node]:
    """Yield the arguments that equal the result if their shape does."""
    target, args = node.target, node.args
    if target in _VIEWS:
        yield args[0]
    elif target is _aten.clone.default and args[0].op == "placeholder":
        # The copy for functions that write into their argument, of which this is none. Other
        # copies may have other strides, and sums over them other rounding.
        yield args[0]
    elif target is _aten.sum.dim_IntList and len(args) == 2 and not node.kwargs:
        # A sum over nothing but the axis that was added for it.
        source, axes = args
        if source.target is _aten.unsqueeze.default:
            count = values[source].dim()
            if [axis % count for axis in axes] == [source.args[1] % count]:
                yield source.args[0]
    elif target in _NEUTRAL and not node.kwargs:
        pairs = [args, args[::-1]] if target in _COMMUTATIVE else [args]
        for source, other in pairs:
            value = values[other] if other in constant else other
            if isinstance(value, fx.Node) or not isinstance(source, fx.Node):
                continue
            if bool(torch.as_tensor(value == _NEUTRAL[target]).all()):
                yield source


def _fold(module: fx.GraphModule, values: Values, constant: set[fx.Node]) -> None:
    """Replace constants that something else is computed from by their values."""
    for count, node in enumerate(list(module.graph.nodes)):
        # A result that is returned has to be a new tensor each time.
        returned = {user.op == "output" for user in node.users if user not in constant}
        foldable = node in constant and node.op != "get_attr" and isinstance(values[node], Tensor)
        if foldable and returned == {False}:
            name = f"_constant{count}"
            setattr(module, name, values[node])
            with module.graph.inserting_before(node):
                node.replace_all_uses_with(module.graph.create_node("get_attr", name))


def _share_repeated(graph: fx.Graph, untouchable: set[fx.Node]) -> None:
    seen: dict[Any, fx.Node] = {}
    for node in graph.nodes:
        if not _is_pure(node) or node in untouchable:
            continue
        key = repr((node.op, node.target, node.args, sorted(node.kwargs.items())))
        first = seen.setdefault(key, node)
        if first is not node:
            node.replace_all_uses_with(first)


def _drop_unused(graph: fx.Graph) -> None:
    for node in reversed(graph.nodes):
        if not node.users and _is_pure(node):
            graph.erase_node(node)
