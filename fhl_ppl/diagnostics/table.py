"""ArviZ's summary table, with columns in which groups are the unit."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fhl_ppl.diagnostics.arviz_lines import interval_options
from fhl_ppl.diagnostics.group_units import ess_group, mcse_group, r_hat_group

Dataset = Any
DataFrame = Any


def summary_table(
    posterior: Dataset, group: np.ndarray | None, hdi_prob: float | None
) -> DataFrame:
    """Compute `arviz.summary`, unrounded, and append `mcse_group`, `ess_group` and `r_hat_group`.

    Without a group for each chain, [chain], these columns are left out; without `hdi_prob` the
    interval is ArviZ's own.
    """
    import arviz

    table = arviz.summary(posterior, round_to="none", **interval_options(hdi_prob))
    if group is not None:
        for column in (mcse_group, ess_group, r_hat_group):
            found = [column(draws, group).ravel() for draws in chains_first(posterior)]
            table[column.__name__] = np.concatenate(found)
    return table


def chains_first(posterior: Dataset) -> list[np.ndarray]:
    """All variables as arrays [chain, draw, ...], in the order of the rows of the table."""
    return [
        posterior[name].transpose("chain", "draw", ...).values.astype(float)
        for name in posterior.data_vars
    ]


def select(
    posterior: Dataset, var_names: str | Sequence[str] | None, argument: str = "var_names"
) -> Dataset:
    """Keep the variables named, in an argument of that name.

    Raises
    ------
    ValueError
        If a name is not in the posterior.
    """
    if var_names is None:
        return posterior
    names = [var_names] if isinstance(var_names, str) else list(var_names)
    unknown = [name for name in names if name not in posterior.data_vars]
    if unknown:
        raise ValueError(
            f"{argument} has {unknown[0]!r}, which is not in the posterior; there are "
            f"{', '.join(map(repr, posterior.data_vars))}."
        )
    return posterior[names]


def shown_whole(table: DataFrame) -> DataFrame:
    """The same table, which prints with all its columns however narrow the terminal is.

    >>> import pandas as pd
    >>> table = pd.DataFrame([range(5)], columns=[f"a column of some width {k}" for k in range(5)])
    >>> "..." in str(table), "..." in str(shown_whole(table))
    (True, False)
    """
    import pandas as pd

    class Whole(pd.DataFrame):
        def __repr__(self) -> str:
            return str(self.to_string())

    return Whole(table)


def to_text(table: DataFrame) -> str:
    """Lay the table out for reading: whole effective sample sizes, R-hat to three decimals.

    Below it go the notes in its `attrs`.
    """

    def formatted(name: str) -> Any:
        if name.startswith("ess"):
            return "{:.0f}".format
        return "{:.3f}".format if name.startswith("r_hat") else "{:.4g}".format

    text = str(table.to_string(formatters={name: formatted(name) for name in table.columns}))
    return "\n".join([text, *table.attrs.get("notes", [])])
