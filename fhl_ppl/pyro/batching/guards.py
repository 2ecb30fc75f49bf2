"""Python's questions to tensors, within ``torch.func.vmap``: what is the same for all, and guards.

A model may ask a tensor for a Python value. Where no particle has a say in it, as with the indices
of a plate that is looped over, the answer is simply there. Where particles do, as in ``assert
(x > 0).all()`` or ``if x.isnan().any(): raise``, the answer of the first is taken for all, and
whether it is theirs too is computed along with the results. Particles of another answer then have
to be evaluated one by one: what comes out is right either way. Numbers, as in ``float(x)`` for a
log, hardly ever are the same; those are handed out with the results, see `agreed`.
"""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._C import _functorch
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes

from fhl_ppl.pyro.batching.agreed import MOST_NUMBERS
from fhl_ppl.pyro.model.users_code import LIBRARIES

# Answered by yes or no, or by a whole number: particles can be held to it.
_EXACT = {Tensor.__bool__, Tensor.__int__, Tensor.__index__}
_NUMBERS = {
    *(Tensor.item, Tensor.tolist, Tensor.__float__, Tensor.numpy, Tensor.__array__),
    *(Tensor.__format__, Tensor.__repr__),
}
# Asked by one function, and answered as by another.
_AS_BOOLEAN: dict[Callable[..., Any], Callable[..., Tensor]] = {
    torch.is_nonzero: lambda x: x,
    Tensor.is_nonzero: lambda x: x,
    torch.allclose: lambda *args, **kwargs: torch.isclose(*args, **kwargs).all(),
    Tensor.allclose: lambda *args, **kwargs: torch.isclose(*args, **kwargs).all(),
    torch.equal: lambda a, b: (a == b).all() if a.shape == b.shape else torch.tensor(False),
    Tensor.equal: lambda a, b: (a == b).all() if a.shape == b.shape else torch.tensor(False),
}
_QUESTIONS = _EXACT | _NUMBERS


class _Guard(NamedTuple):
    asked: Tensor
    function: Callable[..., Any]
    answer: int

    def holds(self) -> Tensor:
        if self.function is Tensor.__bool__:
            return (self.asked != 0) == bool(self.answer)
        asked = self.asked.trunc() if self.asked.is_floating_point() else self.asked
        return asked == self.answer


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
        self._numbers: list[Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if not _functorch.maybe_current_level():
            return func(*args, **kwargs)
        if func in _AS_BOOLEAN:
            func, args, kwargs = Tensor.__bool__, (_AS_BOOLEAN[func](*args, **kwargs),), {}
        if func not in _QUESTIONS:
            return func(*args, **kwargs)
        asked, rest = args[0], args[1:]
        first, differs = _of_the_first(asked)
        with _disable_current_modes():
            if not differs:
                with temporarily_clear_interpreter_stack():
                    return func(first.detach(), *rest, **kwargs)
            if asked.numel() > (1 if func in _EXACT else MOST_NUMBERS - len(self._numbers)):
                return func(*args, **kwargs)
            with temporarily_clear_interpreter_stack():
                # A copy, as an array that shares its memory may be written into.
                first = first.detach().clone()
                answer = func(first, *rest, **kwargs)
                answers = first.reshape(-1).tolist()
        self.where.append(_asked_from())
        each = _without_gradient(asked).reshape(-1).unbind()
        if func in _EXACT or not asked.is_floating_point():
            exact = func if func in _EXACT else Tensor.__int__
            self._guards += [
                _Guard(one, exact, int(number)) for one, number in zip(each, answers, strict=True)
            ]
        else:
            self._numbers += each
        return answer

    def hold(self) -> tuple[Tensor, ...]:
        """Return whether all answers are this particle's, and its numbers; nothing of no question.

        A scalar, and where numbers were asked for a vector of them too.
        """
        if not self._guards and not self._numbers:
            return ()
        same = [torch.tensor(True), *(guard.holds() for guard in self._guards)]
        hold = (torch.stack([each.reshape(()) for each in same]).all(),)
        return (*hold, torch.stack(self._numbers)) if self._numbers else hold


def _of_the_first(tensor: Tensor) -> tuple[Tensor, bool]:
    """Return the first particle's tensor beneath all wrappers, and whether particles differ."""
    differs = False
    while _functorch.is_functorch_wrapped_tensor(tensor):
        axis = _functorch.maybe_get_bdim(tensor) if _functorch.is_batchedtensor(tensor) else -1
        tensor = _functorch.get_unwrapped(tensor)
        if axis >= 0:
            differs = True
            with _disable_current_modes():
                tensor = tensor.select(axis, 0)
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
