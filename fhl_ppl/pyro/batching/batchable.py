"""Make Torch and Pyro operations batchable for the duration of a call.

``torch.func.vmap`` refuses some things that models do without meaning any harm. Each has an
equivalent that it accepts, with the same values and gradients:

- ``pyro.ops.special.safe_log``, used by enumeration, is an ``autograd.Function`` in the old style;
- ``x[mask] = value`` with a boolean mask, used by ``Multinomial.log_prob``, is defined through an
  index list whose length depends on the data;
- validation of distribution arguments asks whether *all* values are valid;
- enumeration reads shapes from `Tensor.data`, which is forbidden where no gradient is taken;
- a tensor that is allocated first and filled with parameters later, as in ``OrderedLogistic`` and
  in many a time series, has no axis for particles at the time when it is filled.

Matrix factorisations are another matter: one particle with a singular matrix makes the call fail
for all of them, and to find that out, the host waits for the device. In their ``_ex`` form they
report failure as a value, which becomes NaN in the rows concerned and stays there.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyro
import torch
from pyro.ops import special
from torch import Tensor
from torch.overrides import TorchFunctionMode

# Validation and safe_log are global to the process.
_LOCK = threading.RLock()


class _BatchableSafeLog(torch.autograd.Function):
    """``pyro.ops.special._SafeLog`` with a separate ``setup_context``, as vmap requires."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.log()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad / x.clamp(min=torch.finfo(x.dtype).eps)


def _cholesky(matrix: Tensor, upper: bool = False) -> Tensor:
    factor, info = torch.linalg.cholesky_ex(matrix, upper=upper)
    return torch.where((info == 0)[..., None, None], factor, torch.nan)


def _inverse(matrix: Tensor) -> Tensor:
    inverse, info = torch.linalg.inv_ex(matrix)
    return torch.where((info == 0)[..., None, None], inverse, torch.nan)


def _solve(matrix: Tensor, right: Tensor, *, left: bool = True) -> Tensor:
    solution, info = torch.linalg.solve_ex(matrix, right, left=left)
    # The rule by which torch.linalg.solve tells (a batch of) vectors from matrices.
    is_vector = right.dim() == 1 or right.shape == matrix.shape[:-1]
    failed = (info != 0)[..., None] if is_vector else (info != 0)[..., None, None]
    return torch.where(failed, torch.nan, solution)


_EQUIVALENTS: dict[Callable[..., Any], Callable[..., Tensor]] = {
    torch.linalg.cholesky: _cholesky,
    torch.linalg.inv: _inverse,
    torch.inverse: _inverse,
    Tensor.inverse: _inverse,
    torch.linalg.solve: _solve,
    Tensor.data.__get__: Tensor.detach,
}


class _Batchable(TorchFunctionMode):
    """Replaces the operations above, wherever in the model they are called."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is Tensor.__setitem__:
            target, index, value = args
            is_mask = isinstance(index, Tensor) and index.dtype is torch.bool
            if is_mask and (not isinstance(value, Tensor) or value.dim() == 0):
                # The mask covers the leading axes of the target.
                axes = target.dim() - index.dim()
                return target.masked_fill_(index.reshape(index.shape + (1,) * axes), value)
        if func in _EQUIVALENTS and args and "out" not in kwargs:
            func = _EQUIVALENTS[func]
        return func(*args, **kwargs)


_FACTORIES = {
    *(torch.zeros, torch.zeros_like, Tensor.new_zeros, torch.ones, torch.ones_like),
    *(Tensor.new_ones, torch.full, torch.full_like, Tensor.new_full, torch.empty),
    *(torch.empty_like, Tensor.new_empty, torch.clone, Tensor.clone),
}


class FillableFactories(TorchFunctionMode):
    """Gives new tensors an axis for particles, so that parameters can be written into them.

    To be entered inside of the function that is batched. Not for every model: a new tensor can then
    no longer steer Python control flow.

    Parameters
    ----------
    position : Tensor [D]
        Of one particle, within ``torch.func.vmap``.
    """

    def __init__(self, position: Tensor) -> None:
        super().__init__()
        # In vmap, what is made like a batched tensor is batched.
        self._zero = torch.zeros_like(position.detach()[:1]).sum()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _FACTORIES and result.is_floating_point():
            return result + self._zero.to(result.dtype)
        return result


@contextmanager
def batchable_operations() -> Iterator[None]:
    """Within this context, models can be batched over particles.

    Validation of Pyro and of ``torch.distributions`` is off. Everything is put back on leaving.

    Examples
    --------
    >>> import torch
    >>> with batchable_operations():
    ...     torch.linalg.cholesky(torch.tensor([[[4.0]], [[-1.0]]]))
    tensor([[[2.]],
    <BLANKLINE>
            [[nan]]])
    """
    with _LOCK, pyro.validation_enabled(False), _Batchable():
        original = special._SafeLog
        special._SafeLog = _BatchableSafeLog
        try:
            yield
        finally:
            special._SafeLog = original
