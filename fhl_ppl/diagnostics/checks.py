"""What a summary has to warn of, each as a sentence with the remedy."""

from typing import Any

import numpy as np

from fhl_ppl.diagnostics.group_units import variance_inflation
from fhl_ppl.diagnostics.table import chains_first

Dataset = Any
DataFrame = Any

R_HAT = 1.01
"""Bound on R-hat that Vehtari et al. (2021) recommend."""

R_HAT_GROUP = 1.05
"""Bound on R-hat over groups, which are fewer than chains, so that it scatters more.

False alarms for independent particles (simulated in tests/diagnostics/test_summary.py; 4 to 64 in
groups of 4, 1000 draws): less than 0.1 % of the quantities, from 100 effective draws a chain with
several groups or 500 with one. A bound of 1.01 would raise 2 % to 30 %."""

ESS_RATIO = 0.5
"""Bound on ess_group / ess_bulk. In the same simulation less than 0.1 % false alarms where
`COMPARABLE` is met; at half of that, up to 1 %."""

COMPARABLE = 400
"""Effective draws, for each series of a group, from which the two ESS are compared."""

INFLATION = 2.0
"""Bound on the variance of group means against that of independent particles. It finds particles
that agree at the same draw, and needs far fewer draws than an ESS: in the same simulation the
largest value was below 1.3."""

INFLATION_COMPARABLE = 50
"""Effective draws, for each series of a group, from which `INFLATION` is applied."""

ACCEPTANCE = 0.1
"""Mean acceptance of a chain below which it hardly moves."""


def findings(
    table: DataFrame, posterior: Dataset, group: np.ndarray | None, sample_stats: Dataset | None
) -> list[str]:
    """Collect everything in a run that its reader should know before trusting it.

    Parameters
    ----------
    table
        From `table.summary_table`, of the same `posterior` and `group`.
    posterior
        Dataset with dimensions chain and draw.
    group
        Group of each chain, shape [chain], or None.
    sample_stats
        Dataset with the sampler's statistics, or None.

    Returns
    -------
    list of str
        Empty if there is nothing to say.
    """
    found = [_r_hat(table, "r_hat", R_HAT), _frozen(posterior)]
    if group is not None:
        found += [
            _r_hat(table, "r_hat_group", R_HAT_GROUP),
            _single_group(group, posterior.attrs.get("group_size", len(group))),
            _dependent_particles(table, posterior, group),
        ]
    if sample_stats is not None:
        found += [
            _unadjusted(sample_stats),
            _divergences(sample_stats),
            _acceptance(sample_stats),
            _group_lost(sample_stats, group),
        ]
    return [sentence for sentence in found if sentence]


def _r_hat(table: DataFrame, column: str, bound: float) -> str:
    bad = table[column][table[column] > bound]
    if bad.empty:
        return ""
    return (
        f"{column} is above {bound} for {_names(bad, largest=True)}: the chains do not agree yet. "
        "Run longer (num_warmup, num_samples), or reparametrise the model."
    )


def _frozen(posterior: Dataset) -> str:
    """Chains that stand still, each at a place of its own; constants are the same in all."""
    still = np.zeros(posterior.sizes["chain"], dtype=bool)
    for draws in chains_first(posterior):
        constant = (draws == draws[:, :1]).all(axis=1)
        varies = (draws != draws[:1, :1]).any(axis=(0, 1))
        still |= (constant & varies).reshape(len(still), -1).any(axis=1)
    if not still.any():
        return ""
    return (
        f"Chains {', '.join(map(str, np.flatnonzero(still)))} never moved in some variable: these "
        "draws are starting values. Check the gradient (gradient_fn), scale the parameters to the "
        "order of 1, use float64, or start closer (init_params)."
    )


def _single_group(group: np.ndarray, group_size: int) -> str:
    if len(np.unique(group)) > 1:
        return ""
    return (
        "All chains belong to one group, so r_hat_group compares no more than the two halves of "
        "one series, and particles that went wrong together are not noticed. "
        f"Run at least two groups: num_chains >= 2 * group_size, here {2 * group_size}."
    )


def _dependent_particles(table: DataFrame, posterior: Dataset, group: np.ndarray) -> str:
    per_series = table["ess_bulk"] * len(np.unique(group)) / len(group)
    ratio = table["ess_group"] / table["ess_bulk"]
    inflation = np.concatenate(
        [variance_inflation(draws, group).ravel() for draws in chains_first(posterior)]
    )
    bad = (ratio < ESS_RATIO) & (per_series >= COMPARABLE)
    bad |= (inflation > INFLATION) & (per_series >= INFLATION_COMPARABLE)
    if not bad.any():
        return ""
    worst = ratio[bad].idxmin()
    return (
        f"ess_group is far below ess_bulk for {_names(ratio[bad], largest=False)} "
        f"({table['ess_group'][worst]:.0f} against {table['ess_bulk'][worst]:.0f} for {worst}): "
        "the particles of a group move together, and ess_bulk, ess_tail, mcse and r_hat count them "
        "as independent. Trust ess_group, and run more groups (a larger num_chains) or longer."
    )


def _unadjusted(sample_stats: Dataset) -> str:
    if sample_stats.attrs.get("adjusted", 1):
        return ""
    return (
        "The draws come from adjusted=False, without the Metropolis test: they are biased towards "
        "high density and no sample of the posterior. Use adjusted=True to estimate."
    )


def _divergences(sample_stats: Dataset) -> str:
    if "diverging" not in sample_stats or not sample_stats["diverging"].any():
        return ""
    diverging = sample_stats["diverging"]
    return (
        f"{int(diverging.sum())} of {diverging.size} draws diverged: part of the posterior may be "
        "out of reach. Raise target_accept_prob, or reparametrise the model."
    )


def _acceptance(sample_stats: Dataset) -> str:
    if "acceptance_rate" not in sample_stats:
        return ""
    rate = sample_stats["acceptance_rate"].mean("draw")
    lowest = float(rate.min())
    if lowest >= ACCEPTANCE:
        return ""
    return (
        f"Chain {int(rate['chain'][int(rate.argmin())])} accepted {lowest:.1%} of its proposals: "
        "it hardly moved. Raise num_warmup or lower step_size; with coupling='joint' take a "
        "smaller group_size."
    )


def _group_lost(sample_stats: Dataset, group: np.ndarray | None) -> str:
    if group is not None or "group" not in sample_stats.data_vars:
        return ""
    return (
        "The data has the statistics of FHL but no group for each chain, so the columns with "
        "groups as the unit are missing. Convert with fhl_ppl.to_arviz(mcmc)."
    )


def _names(bad: Any, largest: bool) -> str:
    """The three worst names, and how many more."""
    names = list(bad.sort_values(ascending=not largest).index)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
