"""Checks of the arguments that are Pyro's own."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from fhl_ppl.arguments import real


def check_kernel_arguments(
    init_strategy: Any,
    transforms: Any,
    max_plate_nesting: Any,
    jit_options: Any,
    min_stepsize: Any,
    max_stepsize: Any,
) -> None:
    """Check the arguments of `fhl_ppl.pyro.FHL` that only Pyro has.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, its value and what it may be.
    """
    if not callable(init_strategy):
        raise TypeError(
            "init_strategy must be a function from pyro.infer.autoguide.initialization, such as "
            f"init_to_median, got {init_strategy!r}"
        )
    mapping("transforms", transforms, "a dict from site names to transforms")
    mapping("jit_options", jit_options, "a dict of keyword arguments for torch.compile")
    if max_plate_nesting is not None:
        count("max_plate_nesting", max_plate_nesting, 0)
    for name, value in {"min_stepsize": min_stepsize, "max_stepsize": max_stepsize}.items():
        real(lambda x: x > 0, "positive")(name, value)
    if min_stepsize > max_stepsize:
        raise ValueError(
            "min_stepsize and max_stepsize must be positive and in that order, got "
            f"{min_stepsize} and {max_stepsize}"
        )


def mapping(name: str, value: Any, wanted: str) -> None:
    """Insist on a mapping with text as keys, or None; `wanted` says of what."""
    if value is not None and not (
        isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
    ):
        raise TypeError(f"{name} must be {wanted}, or None, got {value!r}")


def count(name: str, value: Any, least: int) -> None:
    """Insist on a whole number from `least` on."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def as_number(value: Any) -> Any:
    """Return a tensor of one element as a number, and anything else as it is.

    Examples
    --------
    >>> import torch
    >>> as_number(torch.tensor(0.5)), as_number("a")
    (0.5, 'a')
    """
    if isinstance(value, Tensor) and value.numel() == 1:
        return value.detach().item()
    return value
