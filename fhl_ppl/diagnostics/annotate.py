"""Add what ArviZ's converters cannot know: the groups, the sampler's settings, and the warm-up."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fhl_ppl.diagnostics.arviz_lines import datasets, from_datasets, is_data
from fhl_ppl.diagnostics.attributes import netcdf_attributes

COORDINATES = ("group", "particle_group")
"""Names of the coordinate; the second is taken where a plate or a site is called "group"."""


def annotate(
    data: Any, group: np.ndarray | None, settings: Mapping[str, Any], warmup: Any = None
) -> Any:
    """Return a copy of `data` with a group for each chain, attributes, and warm-up groups.

    Parameters
    ----------
    data
        InferenceData (ArviZ 0.x) or DataTree (ArviZ 1.x).
    group
        Group of each chain, shape [chain]; None if chains have none.
    settings
        They become attributes of `posterior` and `sample_stats`, and of the warm-up's.
    warmup
        What `to_arviz` returned for the warm-up.

    Raises
    ------
    TypeError, ValueError
        If `warmup` is something else, or has another number of chains.
    """
    groups = datasets(data)
    if warmup is not None:
        groups |= _warmup_groups(warmup, groups["posterior"].sizes["chain"])
    attributes = netcdf_attributes(settings)
    for name in groups:
        if name.removeprefix("warmup_") in {"posterior", "sample_stats"}:
            groups[name] = groups[name].assign_attrs(attributes)
    if group is not None:
        groups = _with_coordinate(groups, group)
    return from_datasets(groups, data.attrs)


def group_of_chains(posterior: Any) -> np.ndarray | None:
    """Read back the group of each chain from a dataset, shape [chain]; None if it has none."""
    name = _coordinate_of(posterior)
    return None if name is None else np.asarray(posterior[name])


def _coordinate_of(dataset: Any) -> str | None:
    for name in COORDINATES:
        if name in dataset.coords and dataset[name].dims == ("chain",):
            return name
    return None


def _with_coordinate(groups: dict[str, Any], group: np.ndarray) -> dict[str, Any]:
    bare = {name: _without_group(name, dataset) for name, dataset in groups.items()}
    taken = {str(key) for dataset in bare.values() for key in (*dataset.variables, *dataset.dims)}
    coordinate = next(name for name in COORDINATES if name not in taken)
    return {
        name: dataset.assign_coords({coordinate: ("chain", group)})
        # Draws from the prior have a chain axis too, but no particle made them.
        if dataset.sizes.get("chain") == len(group) and not name.startswith("prior")
        else dataset
        for name, dataset in bare.items()
    }


def _without_group(name: str, dataset: Any) -> Any:
    # The warm-up comes with the coordinate already, maybe under another name than the run's.
    stale = {_coordinate_of(dataset)} - {None}
    if name.endswith("sample_stats"):
        # The statistic is one number repeated for every draw; the coordinate says it once.
        stale.add("group")
    return dataset.drop_vars(stale, errors="ignore")


def _warmup_groups(warmup: Any, num_chains: int) -> dict[str, Any]:
    if not is_data(warmup):
        raise TypeError(
            "warmup must be what to_arviz(mcmc) returned between mcmc.warmup(..., "
            f"collect_warmup=True) and mcmc.run(...), got {type(warmup).__name__}."
        )
    taken = {
        f"warmup_{name}": dataset
        for name, dataset in datasets(warmup).items()
        if name in {"posterior", "sample_stats"}
    }
    chains = {dataset.sizes["chain"] for dataset in taken.values()}
    if chains != {num_chains}:
        raise ValueError(
            f"warmup has {sorted(chains)} chains, the run has {num_chains}; "
            "take it from the same mcmc object, just before its run."
        )
    return taken
