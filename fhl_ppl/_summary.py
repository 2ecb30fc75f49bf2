"""`fhl_ppl.summary`: ArviZ's table, and the same diagnostics with groups as the unit."""

import warnings
from collections.abc import Sequence
from typing import Any

from fhl_ppl._to_arviz import groups_of

DataFrame = Any

FEWEST_DRAWS = 4
"""ArviZ needs as many to split a chain."""


def summary(
    data: Any,
    *,
    var_names: str | Sequence[str] | None = None,
    hdi_prob: float | None = None,
    show: bool = True,
) -> DataFrame:
    """Summarise the posterior, print the table, and warn of what speaks against trusting it.

    The columns are ArviZ's, and `ess_group` and `r_hat_group`: bulk ESS and R-hat with a group of
    particles as the unit. Particles of a group act on one another, so their draws may be
    correlated, which the usual columns do not see; groups are independent. `ess_group` is in the
    units of `ess_bulk`, and about equal to it where particles behave as if independent:

        ess_group = ESS(group means) * var(particle) / var(group means),

    on rank-normalised draws; `fhl_ppl.diagnostics.group_units` derives it. `r_hat_group` is the
    split R-hat of the group means. Both rest on fewer series than the usual columns and scatter
    more.

    Parameters
    ----------
    data
        A finished `MCMC` of NumPyro or Pyro, or what `to_arviz` made of it. Without groups (from
        another kernel) the two columns are left out.
    var_names
        Variables to show, default all.
    hdi_prob
        Probability of the highest-density interval. Default: the interval that ArviZ prefers (0.x:
        94 % highest density, 1.x: 89 % equal tails).
    show
        Whether to print the table, as `mcmc.print_summary` does; default yes.

    Returns
    -------
    pandas.DataFrame
        A row for each scalar quantity, not rounded. `attrs["notes"]` lists what is printed below
        it: that there is only one group, so that none is left to compare with.

    Warns
    -----
    UserWarning
        With the remedy: if an R-hat is above 1.01 (over groups: 1.05), if `ess_group` is far below
        `ess_bulk`, if a chain never moved, if there is only one group and a quantity has less than
        100 effective draws a chain, if draws diverged, if a chain accepted less than 10 % of its
        trajectories or 1 % of all its moves, if `max_num_steps` cut more than 10 % of the
        trajectories short, if the strongest pull on offer won, if the draws are unadjusted, or if
        the groups got lost on the way.

    Raises
    ------
    ImportError
        If ArviZ is not installed.
    TypeError
        If `data` is neither a run nor ArviZ's.
    ValueError
        If `var_names` has a name that is not in the posterior, `hdi_prob` is not in (0, 1), or
        there are fewer than 4 draws.

    Examples
    --------
    Eight chains in two groups:

    >>> import arviz, numpy as np
    >>> x = np.random.default_rng(0).normal(size=(8, 500))
    >>> data = arviz.convert_to_dataset({"x": x}).assign_coords(group=("chain", np.arange(8) // 4))
    >>> from fhl_ppl.diagnostics.arviz_lines import from_datasets
    >>> table = summary(from_datasets({"posterior": data}, {}), show=False)
    >>> bool(0.7 < table["ess_group"]["x"] / table["ess_bulk"]["x"] < 1.3)
    True
    """
    groups = groups_of(data)
    from fhl_ppl.diagnostics.annotate import group_of_chains
    from fhl_ppl.diagnostics.checks import findings, notes
    from fhl_ppl.diagnostics.table import select, summary_table, to_text

    if hdi_prob is not None and not 0 < hdi_prob < 1:
        raise ValueError(f"hdi_prob must be in (0, 1), got {hdi_prob}.")
    posterior = select(groups["posterior"], var_names)
    if posterior.sizes["draw"] < FEWEST_DRAWS:
        raise ValueError(
            f"data has {posterior.sizes['draw']} draws a chain; ESS and R-hat need at least "
            f"{FEWEST_DRAWS}: increase num_samples."
        )
    group = group_of_chains(posterior)
    table = summary_table(posterior, group, hdi_prob)
    found = findings(table, posterior, group, groups.get("sample_stats"))
    table.attrs["notes"] = [note for note in notes(posterior, group) if note not in found]
    if show:
        print(to_text(table))  # noqa: T201 - printing is what it is for
    for sentence in found:
        warnings.warn(sentence, UserWarning, stacklevel=2)
    return table
