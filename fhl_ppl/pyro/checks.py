"""Checks of the arguments that are Pyro's own."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from fhl_ppl.arguments import LARGEST, real, shown, truth


def check_kernel_arguments(
    init_strategy: Any,
    transforms: Any,
    max_plate_nesting: Any,
    jit_options: Any,
    min_stepsize: Any,
    max_stepsize: Any,
    max_tree_depth: Any,
    **switches: Any,
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
    for name, value in switches.items():
        truth(name, value)
    if max_plate_nesting is not None:
        count("max_plate_nesting", max_plate_nesting, 0)
    if max_tree_depth is not None:
        count("max_tree_depth", max_tree_depth, 1)
    for name, value in {"min_stepsize": min_stepsize, "max_stepsize": max_stepsize}.items():
        real(lambda x: x > 0, "positive")(name, value)
    if min_stepsize > max_stepsize:
        raise ValueError(
            "min_stepsize and max_stepsize must be positive and in that order, got "
            f"{min_stepsize} and {max_stepsize}"
        )


def check_mcmc_arguments(
    num_samples: Any,
    warmup_steps: Any,
    num_chains: Any,
    initial_params: Any,
    hook_fn: Any,
    mp_context: Any,
    transforms: Any,
    save_params: Any,
    chain_method: Any,
) -> None:
    """Check the arguments of `fhl_ppl.pyro.MCMC` but for the kernel; warn of what has no effect.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, its value and what it may be.
    """
    if chain_method != "vectorized":
        raise ValueError(
            f'chain_method must be "vectorized", got {chain_method!r}; to run chains in '
            "processes of their own use pyro.infer.MCMC"
        )
    for name, value, least in (
        ("num_samples", num_samples, 0),
        ("warmup_steps", warmup_steps, 0),
        ("num_chains", num_chains, 1),
    ):
        count(name, value, least)
    if not (hook_fn is None or callable(hook_fn)):
        raise TypeError(
            f"hook_fn must be a function of kernel, samples, stage and i, or None, got {hook_fn!r}"
        )
    mapping("transforms", transforms, "a dict from site names to transforms")
    check_transforms(transforms)
    if save_params is not None and (
        isinstance(save_params, str)
        or not isinstance(save_params, Sequence)
        or not all(isinstance(each, str) for each in save_params)
    ):
        raise TypeError(
            f"save_params must be a list of site names, or None, got {shown(save_params)}"
        )
    mapping("initial_params", initial_params, "a dict from site names to tensors")
    if mp_context is not None:
        warnings.warn(
            f"mp_context={mp_context!r} has no effect: all chains run in this process",
            stacklevel=3,
        )


def check_transforms(transforms: Mapping[str, Any] | None) -> None:
    """Insist on transforms that can be undone, by site."""
    for name, value in (transforms or {}).items():
        if not (callable(value) and hasattr(value, "inv")):
            raise TypeError(
                f"transforms[{name!r}] must be a torch.distributions.transforms.Transform, such as "
                f"biject_to(support).inv, got {shown(value)}"
            )


def mapping(name: str, value: Any, wanted: str) -> None:
    """Insist on a mapping with text as keys, or None; `wanted` says of what."""
    if value is not None and not (
        isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
    ):
        raise TypeError(f"{name} must be {wanted}, or None, got {shown(value)}")


def count(name: str, value: Any, least: int) -> None:
    """Insist on a whole number from `least` on."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be a whole number, got {shown(value)}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    if value > LARGEST:
        raise ValueError(f"{name} must be at most {LARGEST}, got {shown(value)}")


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
