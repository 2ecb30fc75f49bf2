"""What an adapter reads of a run for `fhl_ppl.log_evidence`, and what such a run has to have."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fhl_ppl.options import Options

Array = np.ndarray

AT_ONCE = 256
"""Places whose energies are worked out in one batch."""

CHECKED = 256
"""Draws whose energies are worked out again, to see that model and data are those of the run."""


class Density(NamedTuple):
    """What an adapter reads of a run.

    Attributes
    ----------
    position
        Unconstrained draws, shape [chain, draw, dim].
    energy
        U with the Jacobians of the constraints, of `AT_ONCE` places [place, dim]: [place].
    """

    position: Array
    energy: Callable[[Array], Array]


def check_kernel(options: Options | None, minibatch: bool) -> None:
    """Refuse a run that is not of draws from exp(-U).

    Parameters
    ----------
    options
        Settings of its kernel; None of another kernel than `FHL`.
    minibatch
        Whether it draws minibatches.
    """
    if options is None:
        raise ValueError("log_evidence needs a run of the kernel FHL; run the model with it.")
    if not options.adjusted:
        raise ValueError(
            "log_evidence needs draws of the posterior, which adjusted=False does not give; "
            "run with adjusted=True."
        )
    if minibatch or options.noisy_gradient:
        raise ValueError(
            "log_evidence needs the energies of the draws, and those of a run with a random force "
            "are not kept; run without minibatch=True and noisy_gradient=True."
        )


def check_sites(missing: list[str], improper: list[str]) -> None:
    """Refuse a run without the draws of some latent site, or a model with improper priors."""
    if missing:
        raise ValueError(
            f"log_evidence needs draws of all latent sites, and those of {missing} were not kept; "
            "run without leaving them out (extra_fields, save_params)."
        )
    if improper:
        raise ValueError(
            f"the prior of {improper} is improper or masked, so it has no normaliser and the model "
            "no evidence; give it a proper prior."
        )


def energies(density: Density, position: Array) -> Array:
    """U at [place, dim], in batches of one size, so that they are compiled once: [place]."""
    number = len(position)
    rows = np.concatenate([position, np.repeat(position[-1:], -number % AT_ONCE, axis=0)])
    found = [
        np.asarray(density.energy(rows[begin : begin + AT_ONCE]), float)
        for begin in range(0, len(rows), AT_ONCE)
    ]
    return np.concatenate(found)[:number]


def check_energies(density: Density, energy: Array) -> None:
    """Refuse a run whose energies [chain, draw] are not what the model gives for its draws."""
    position = density.position.reshape(-1, density.position.shape[-1])
    some = np.linspace(0, len(position) - 1, min(CHECKED, len(position))).astype(int)
    some = some[np.isfinite(position[some]).all(axis=1)]
    if len(some) == 0:
        raise ValueError("no draw has a finite unconstrained position; use float64.")
    there = energy.reshape(-1)[some]
    off = np.abs(energies(density, position[some]) - there)
    # Single precision rounds energies, and what lies at a bound.
    if not np.quantile(off, 0.8) < 0.05 + 1e-5 * np.abs(there).max():
        raise ValueError(
            f"the energies of the draws differ by {np.quantile(off, 0.8):.3g} from what the model "
            "gives for them now: its arguments were changed since the run, it is random, or its "
            "draws were rounded. Run again with the same data, in float64."
        )
