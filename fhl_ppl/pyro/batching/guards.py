"""Python's questions to tensors, within ``torch.func.vmap``: what is the same for all, and guards.

A model may ask a tensor for a Python value. Where no particle has a say in it, as with the indices
of a plate that is looped over, the answer is simply there. Where particles do, as in ``assert
(x > 0).all()`` or ``if x.isnan().any(): raise``, the answer of the first is taken for all, and
whether it is theirs too is computed along with the results. Particles of another answer then have
to be evaluated one by one: what comes out is right either way.
"""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._C import _functorch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes

from fhl_ppl.pyro.model.why_not import LIBRARIES

_QUESTIONS = {
    *(Tensor.__bool__, Tensor.item, Tensor.__int__, Tensor.__float__, Tensor.__index__),
    Tensor.tolist,
}


class _Guard(NamedTuple):
    condition: Tensor
    answer: bool


class GuardError(RuntimeError):
    """Particles answer a question of the model differently."""


class Guards(TorchFunctionMode):
    """Answers the questions that tensors are asked, and keeps what the answers took for granted.

    To be entered inside of the function that is batched.

    Attributes
    ----------
    where : list of str
        Where in the user's code particles were asked.
    """

    def __init__(self) -> None:
        super().__init__()
        self.where: list[str] = []
        self._guards: list[_Guard] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func not in _QUESTIONS or not _functorch.maybe_current_level():
            return func(*args, **(kwargs or {}))
        value, differs = _innermost(args[0])
        with _disable_current_modes():
            if not differs:
                return func(value, *args[1:], **(kwargs or {}))
            if func is not Tensor.__bool__ or args[0].numel() != 1:
                return func(*args, **(kwargs or {}))
            answer = bool(value.detach().reshape(-1)[0] != 0)
        self._guards.append(_Guard(_without_gradient(args[0]), answer))
        self.where.append(_asked_from())
        return answer

    def hold(self) -> tuple[Tensor, ...]:
        """Return whether all answers are this particle's, a scalar; nothing if none was asked."""
        if not self._guards:
            return ()
        each = [(guard.condition.reshape(()) != 0) == guard.answer for guard in self._guards]
        return (torch.stack(each).all(),)


def _innermost(tensor: Tensor) -> tuple[Tensor, bool]:
    """Return the tensor beneath all wrappers, and whether it has an axis for particles."""
    differs = False
    while _functorch.is_functorch_wrapped_tensor(tensor):
        differs = differs or _functorch.is_batchedtensor(tensor)
        tensor = _functorch.get_unwrapped(tensor)
    return tensor, differs


def _without_gradient(tensor: Tensor) -> Tensor:
    while _functorch.is_gradtrackingtensor(tensor):
        tensor = _functorch.get_unwrapped(tensor)
    return tensor


def _asked_from() -> str:
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(LIBRARIES):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}, line {frame.f_lineno}"
