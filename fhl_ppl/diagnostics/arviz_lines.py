"""What differs between ArviZ 0.x, with its InferenceData, and ArviZ 1.x, with xarray's DataTree."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

Array = Any
Dataset = Any


def is_data(data: object) -> bool:
    """Whether `data` is what the installed ArviZ keeps inference results in.

    >>> is_data({"posterior": {}})
    False
    """
    return isinstance(data, _container())


def datasets(data: Any) -> dict[str, Dataset]:
    """All groups of an InferenceData or DataTree, as xarray datasets by name."""
    if _has_trees():
        return {name: node.to_dataset() for name, node in data.children.items()}
    return {name: data[name] for name in data.groups()}


def from_datasets(groups: Mapping[str, Dataset], attrs: Mapping[str, Any]) -> Any:
    """Undo `datasets`; `attrs` are those of the whole.

    >>> import xarray
    >>> data = from_datasets({"posterior": xarray.Dataset({"x": 1.0})}, {})
    >>> list(datasets(data))
    ['posterior']
    """
    if _has_trees():
        tree = _container().from_dict(dict(groups))
        tree.attrs = dict(attrs)
        return tree
    # Without save_warmup the groups named warmup_... would be dropped.
    return _container()(attrs=dict(attrs), save_warmup=True, **groups)


def from_arrays(
    groups: Mapping[str, Mapping[str, Array]],
    coords: Mapping[str, Any] | None,
    dims: Mapping[str, Any] | None,
    attrs: Mapping[str, Any],
) -> Any:
    """Convert groups of NumPy arrays, [chain, draw, ...] except in `observed_data`.

    `attrs` are given to every group.
    """
    import arviz

    if _has_trees():
        data = arviz.from_dict(dict(groups), coords=coords, dims=dims)
    else:
        data = arviz.from_dict(**groups, coords=coords, dims=dims)
    named = {name: dataset.assign_attrs(attrs) for name, dataset in datasets(data).items()}
    return from_datasets(named, data.attrs)


def from_zarr(path: Any) -> Any:
    """Open a Zarr group with groups in it; what is in them is read when it is needed."""
    import xarray

    tree = xarray.open_datatree(path, engine="zarr")
    return tree if _has_trees() else _container().from_datatree(tree)


def interval_options(hdi_prob: float | None) -> dict[str, Any]:
    """Arguments of `arviz.summary` for a highest-density interval; None is ArviZ's own default."""
    if hdi_prob is None:
        return {}
    if _has_trees():
        return {"ci_prob": hdi_prob, "ci_kind": "hdi"}
    return {"hdi_prob": hdi_prob}


def rank_r_hat(draws: Array) -> float:
    """Rank-normalised split R-hat of [chain, draw]."""
    import arviz
    import xarray

    found = arviz.rhat(xarray.Dataset({"x": (("chain", "draw"), draws)}))
    return float(found["x"])


def pareto_k(log_weights: Array) -> float:
    """Pareto's k of importance weights, from their logarithms.

    >>> import numpy as np
    >>> pareto_k(np.random.default_rng(0).exponential(size=4000)) > 0.7
    True
    """
    import arviz

    if _has_trees():
        base = import_module("arviz_stats.base")
        return float(base.array_stats.psislw(log_weights)[1])
    return float(arviz.psislw(log_weights)[1])


def _has_trees() -> bool:
    import arviz

    return int(arviz.__version__.partition(".")[0]) >= 1


def _container() -> Any:
    if _has_trees():
        import xarray

        return xarray.DataTree
    # Not looked up on 1.x, which keeps the name for an alias that warns.
    import arviz

    return arviz.InferenceData
