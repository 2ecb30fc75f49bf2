"""What is computed for one particle: energy, energy and gradient, or a substitute gradient.

Each quantity exists twice, by independent routes: in a functional form that ``torch.func`` can
batch, and in a plain form on ordinary autograd. The plain form is the reference that the batched
one is checked against, and the last resort where a model cannot be batched.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import pyro
import torch
from pyro.ops.integrator import _EXCEPTION_HANDLERS
from torch import Tensor

from fhl_ppl.pyro.model.layout import SiteLayout
from fhl_ppl.pyro.model.users_code import called_from_us

Sites = dict[str, Tensor]
PotentialFn = Callable[[Sites], Tensor]
GradientFn = Callable[[Sites], Mapping[str, Tensor]]
Outputs = tuple[Tensor, ...]

# The beginnings of torch.distributions' complaints about arguments and values.
_VALIDATION = ("to satisfy the constraint", "to be within the support")


def is_rejection(error: BaseException) -> bool:
    """Tell whether an exception means "no density here", and not "the model is wrong".

    True for failed matrix factorisations, for values that ``torch.distributions`` refuses, and for
    whatever was registered with ``pyro.ops.integrator.register_exception_handler``.

    Examples
    --------
    >>> is_rejection(torch.linalg.LinAlgError("not positive-definite")), is_rejection(KeyError())
    (True, False)
    """
    if isinstance(error, torch.linalg.LinAlgError):
        return True
    if isinstance(error, ValueError) and any(text in str(error) for text in _VALIDATION):
        return True
    return isinstance(error, Exception) and any(h(error) for h in _EXCEPTION_HANDLERS.values())


POTENTIAL = "the potential"
"""What messages call it."""


class Quantity(NamedTuple):
    """A function of one particle's position ``[D]``, in two forms.

    Attributes
    ----------
    origin : str
        Whose function it is, for messages.
    functional, plain : callable
        ``position [D] -> tuple of tensors``: to be batched, and to be called as it is.
    fields : tuple of str
        What the tuple holds: "energy" (a scalar) and/or "gradient" (``[D]``).
    """

    origin: str
    functional: Callable[[Tensor], Outputs]
    plain: Callable[[Tensor], Outputs]
    fields: tuple[str, ...]

    def harmless(self, outputs: Outputs) -> Outputs:
        """Turn non-finite results of single particles into values that are safe to compute with.

        A non-finite energy becomes +inf. The gradient becomes zero for a particle whose energy or
        gradient is not finite; the other particles keep theirs.
        """
        named = dict(zip(self.fields, outputs, strict=True))
        # In few operations, as this runs with every gradient: a sum is finite if its terms are, and
        # x - x is zero for finite x and NaN otherwise.
        total = sum(value.abs().sum(-1) if value.dim() > 1 else value for value in outputs)
        usable = (total - total) == 0
        if "energy" in named:
            energies = named["energy"]
            named["energy"] = torch.nan_to_num(energies, torch.inf, torch.inf, torch.inf)
        if "gradient" in named:
            named["gradient"] = torch.where(usable[:, None], named["gradient"], 0.0)
        return tuple(named.values())

    def one_by_one(self, position: Tensor) -> Outputs:
        """Evaluate the plain form in a Python loop over the particles of `position` [N, D].

        The results are harmless. A particle whose evaluation is a rejection (see `is_rejection`)
        gets energy +inf and gradient zero.
        """
        rows = [self._plain_or_rejected(row) for row in position.detach()]
        return self.harmless(tuple(torch.stack(column) for column in zip(*rows, strict=True)))

    def _plain_or_rejected(self, row: Tensor) -> Outputs:
        # A fresh tensor each time: transforms cache their last argument by identity.
        try:
            with pyro.validation_enabled(False), called_from_us(self.origin):
                return self.plain(row.clone())
        except Exception as error:
            if not is_rejection(error):
                raise
        rejected = {"energy": row.new_full((), torch.inf), "gradient": torch.zeros_like(row)}
        return tuple(rejected[field] for field in self.fields)


def energy(potential_fn: PotentialFn, layout: SiteLayout, origin: str = POTENTIAL) -> Quantity:
    """Return the potential energy alone; `origin` is what messages call it."""
    single = partial(_energy, potential_fn, layout, origin)
    return Quantity(origin, single, partial(_without_autograd, single), ("energy",))


def energy_and_gradient(
    potential_fn: PotentialFn, layout: SiteLayout, origin: str = POTENTIAL
) -> Quantity:
    """Return the potential energy with its gradient by automatic differentiation."""
    return Quantity(
        origin,
        partial(_differentiated, potential_fn, layout, origin),
        partial(_backpropagated, potential_fn, layout, origin),
        ("energy", "gradient"),
    )


def substitute_gradient(gradient_fn: GradientFn, layout: SiteLayout) -> Quantity:
    """Return the force field that `gradient_fn` gives, with 0 for what is not finite in it."""
    single = partial(_substitute, gradient_fn, layout)
    return Quantity("gradient_fn", single, single, ("gradient",))


def _energy(
    potential_fn: PotentialFn, layout: SiteLayout, origin: str, position: Tensor
) -> Outputs:
    value: Any = potential_fn(layout.unflatten(position))
    if not isinstance(value, Tensor) or value.numel() != 1:
        got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(
            f"{origin} of one particle must be a scalar tensor, got {got}; sum over all axes"
        )
    if value.is_complex():
        raise ValueError(
            f"{origin} of one particle must be real, got {value.dtype}; return its real part"
        )
    return (value.reshape(()).to(position.dtype),)


def _without_autograd(single: Callable[[Tensor], Outputs], position: Tensor) -> Outputs:
    with torch.no_grad():
        return single(position)


def _differentiated(
    potential_fn: PotentialFn, layout: SiteLayout, origin: str, position: Tensor
) -> Outputs:
    def scalar(q: Tensor) -> Tensor:
        return _energy(potential_fn, layout, origin, q)[0]

    gradient, value = torch.func.grad_and_value(scalar)(position)
    return value, gradient


def _backpropagated(
    potential_fn: PotentialFn, layout: SiteLayout, origin: str, position: Tensor
) -> Outputs:
    with torch.enable_grad():
        position = position.requires_grad_(True)
        (value,) = _energy(potential_fn, layout, origin, position)
        gradient = None
        # A flat density gives a constant, which has no graph and a gradient of zero.
        if value.requires_grad:
            (gradient,) = torch.autograd.grad(value, position, allow_unused=True)
    if gradient is None:
        gradient = torch.zeros_like(position)
    return value.detach(), gradient.detach()


def _substitute(gradient_fn: GradientFn, layout: SiteLayout, position: Tensor) -> Outputs:
    # A surrogate may well differentiate something of its own.
    with torch.enable_grad():
        sites = gradient_fn(layout.unflatten(position))
        gradient = layout.flatten(sites, "the result of gradient_fn").detach()
    if gradient.shape != position.shape:
        got = {name: tuple(sites[name].shape) for name in layout.shapes}
        raise ValueError(
            f"gradient_fn must return one particle's shapes {layout.shapes}, got {got}"
        )
    # Where it fails there is no force; a proposal lost there would wall that region off.
    return (torch.where(torch.isfinite(gradient), gradient, 0.0),)
