"""Changes of mode, chain by chain."""

from typing import Any

import numpy as np

from fhl_ppl.diagnostics.annotate import group_of_chains
from fhl_ppl.diagnostics.table import select

Dataset = Any
DataFrame = Any


def mode_table(posterior: Dataset, mode: Any) -> DataFrame:
    """Tabulate them; see `fhl_ppl.mode_changes`."""
    import pandas as pd

    labels = _labels(posterior, mode)
    table = pd.DataFrame(index=pd.Index(posterior["chain"].values, name="chain"))
    group = group_of_chains(posterior)
    if group is not None:
        table["group"] = group
    table["modes"] = [len(np.unique(row)) for row in labels]
    table["changes"] = (labels[:, 1:] != labels[:, :-1]).sum(axis=1)
    return table


def _labels(posterior: Dataset, mode: Any) -> np.ndarray:
    """The mode of each draw, shape [chain, draw]."""
    if isinstance(mode, str):
        mode = select(posterior, mode, "mode")[mode]
    elif callable(mode):
        mode = mode(posterior)
    if hasattr(mode, "transpose") and hasattr(mode, "dims"):
        mode = mode.transpose("chain", "draw", ...)
    labels = np.asarray(mode)
    wanted = posterior.sizes["chain"], posterior.sizes["draw"]
    if labels.shape != wanted:
        raise ValueError(
            f"mode must have one label for each draw, shape {wanted}, got {labels.shape}; reduce a "
            "vector to one, such as by posterior['x'].sel(x_dim_0=0) > 0."
        )
    if np.issubdtype(labels.dtype, np.inexact) and np.any(labels != np.round(labels)):
        raise ValueError(
            "mode must have labels, and got numbers that are not whole, as if every draw were in a "
            "mode of its own; make labels of them, such as posterior['x'] > 0."
        )
    return labels
