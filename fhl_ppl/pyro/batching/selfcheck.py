"""Compare a batched function with the plain one, before it is trusted."""

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from fhl_ppl.pyro.model.one_particle import Outputs, Quantity

# Rounding differs between a batch and a loop, and long sums in float32 cancel. What the check is
# there to catch (a sum over particles, a frozen branch) is wrong by far more.
_RELATIVE_ERROR = {torch.float64: 1e-7, torch.float32: 1e-3}
_RELATIVE_ERROR_SHORT = 3e-2

# At most this many particles are evaluated one by one for a check; of what takes so many operations
# that Python needs longer than this for one, in seconds, only so many.
_ROWS, _DEAR, _DEAR_ROWS = 4, 0.02, 2

# How far from the given positions the second set of points lies, particle by particle.
# Unconstrained parameters are of order one; steps to where there is no density are made shorter.
_STEPS = (0.1, 0.3, 1.0, 2.0)
_SHORTER = (1.0, 0.1, 0.01)


class Reference(NamedTuple):
    """Positions with the plain function's results.

    Attributes
    ----------
    position : Tensor [N, D]
        A few positions, repeated to the number of particles.
    outputs : tuple of Tensor
        Energies ``[N]`` and/or gradients ``[N, D]``, as the quantity has them.
    finite : bool
        Whether all energies are finite.
    """

    position: Tensor
    outputs: Outputs
    finite: bool


def references(quantity: Quantity, position: Tensor) -> list[Reference]:
    """Evaluate the plain function at the given positions [N, D], and at others around them.

    The global random state is left alone.

    Raises
    ------
    ValueError
        If the function gives different values for the same position.
    """
    again, seconds = quantity.one_by_one(position[:1]), -time.perf_counter()
    first_row = quantity.one_by_one(position[:1])
    seconds += time.perf_counter()
    difference = _difference(quantity, again, first_row)
    if difference:
        raise ValueError(_random_message(quantity, difference))
    count = min(len(position), _DEAR_ROWS if seconds > _DEAR else _ROWS)
    rows = torch.linspace(0, len(position) - 1, count).round().long().to(position.device)
    points = position[rows]
    repeats = torch.arange(len(position), device=position.device) % count
    first = _reference(quantity, points, repeats)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(points.shape, generator=generator, dtype=torch.float64)
    move = (noise * torch.tensor(_STEPS)[:count, None]).to(position)
    for scale in _SHORTER:
        second = _reference(quantity, points + scale * move, repeats)
        if second.finite:
            break
    return [first, second]


def disagreement(
    quantity: Quantity, batched: Callable[[Tensor], Outputs], checks: list[Reference]
) -> str:
    """Say what of a batched function differs from the references by how much; empty if nothing.

    `batched` returns what `Quantity.harmless` does.
    """
    for check in checks:
        difference = _difference(quantity, batched(check.position), check.outputs)
        if difference:
            return difference
    return ""


def different_energies(actual: Tensor, expected: Tensor) -> Tensor:
    """Tell, for each particle, whether two energies [N] differ by more than rounding."""
    relative = _RELATIVE_ERROR.get(expected.dtype, _RELATIVE_ERROR_SHORT)
    # Infinite energies may be equal though their difference is NaN.
    return (actual != expected) & ~((actual - expected).abs() <= relative * (1 + expected.abs()))


def _reference(quantity: Quantity, points: Tensor, repeats: Tensor) -> Reference:
    outputs = quantity.one_by_one(points)
    named = dict(zip(quantity.fields, outputs, strict=True))
    finite = bool(torch.isfinite(named["energy"]).all()) if "energy" in named else True
    return Reference(points[repeats], tuple(value[repeats] for value in outputs), finite)


def differing(quantity: Quantity, actual: Outputs, expected: Outputs) -> Tensor:
    """Tell of each particle whether its results differ by more than rounding, [N]."""
    wrong = [_wrong(*each) for each in zip(quantity.fields, actual, expected, strict=True)]
    return sum(each.reshape(len(each), -1).any(1) for each in wrong) > 0


def _wrong(field: str, a: Tensor, e: Tensor) -> Tensor:
    relative = _RELATIVE_ERROR.get(e.dtype, _RELATIVE_ERROR_SHORT)
    scale = 1 + (e.abs() if field == "energy" else e.abs().amax(-1, keepdim=True))
    # Infinite energies may be equal though their difference is NaN.
    return (a != e) & ~((a - e).abs() <= relative * scale)


def _difference(quantity: Quantity, actual: Outputs, expected: Outputs) -> str:
    for field, a, e in zip(quantity.fields, actual, expected, strict=True):
        if a.shape != e.shape:
            return f"its {field} has shape {tuple(a.shape)} and not {tuple(e.shape)}"
        wrong = _wrong(field, a, e)
        if wrong.any():
            got, wanted = a[wrong][0].item(), e[wrong][0].item()
            return f"its {field} is {got:.10g} where one particle alone gives {wanted:.10g}"
    return ""


def _random_message(quantity: Quantity, difference: str) -> str:
    if quantity.origin == "gradient_fn":
        remedy = "pass noisy_gradient=True if its randomness is meant"
    else:
        remedy = (
            "the energy must be a deterministic function of the parameters; take dropout, "
            "subsampling and other random draws out of the model"
        )
    return f"{quantity.origin} is random: evaluated twice at one position, {difference}; {remedy}"
