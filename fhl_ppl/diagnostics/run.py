"""What an adapter reads from a finished run, for `annotate`."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from fhl_ppl.options import Options


class Run(NamedTuple):
    """A finished run, converted as far as its backend has to be known.

    Attributes
    ----------
    data
        InferenceData (ArviZ 0.x) or DataTree (ArviZ 1.x).
    group
        Group of each chain, shape [chain]; None for kernels other than FHL.
    settings
        Sampler name and settings; empty for other kernels.
    """

    data: Any
    group: np.ndarray | None
    settings: Mapping[str, Any]


def describe(
    sampler: str, options: Options, dim: int | None, **about_the_run: Any
) -> dict[str, Any]:
    """Name the sampler and list its settings.

    Parameters
    ----------
    sampler
        Name of the kernel's class.
    options
        The kernel's checked arguments; each becomes an entry under its name.
    dim
        Number of unconstrained parameters, on which the form of the metric depends. None if it is
        not known, which leaves `metric` out.
    **about_the_run
        Further entries.

    Examples
    --------
    >>> described = describe("fhl_ppl.numpyro.FHL", Options(), dim=10, tuning_steps=1000)
    >>> described["group_size"], described["metric"], described["tuning_steps"]
    (4, 'dense', 1000)
    """
    described = {"sampler": sampler, **asdict(options)}
    if isinstance(options.dense_mass, list | tuple) and options.dense_mass:
        described["metric"] = "blocks"
    elif dim is not None:
        described["metric"] = "dense" if options.is_dense(dim) else "diagonal"
    return described | about_the_run
