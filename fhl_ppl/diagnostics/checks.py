"""What a summary has to warn of, each as a sentence with the remedy."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fhl_ppl.diagnostics.ends import narrow_ends
from fhl_ppl.diagnostics.group_units import variance_inflation
from fhl_ppl.diagnostics.known_modes import (
    disagreement,
    lost_modes,
    missed_modes,
    no_crossings,
    no_room,
)
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

ESS_PER_CHAIN = 100
"""Effective draws a chain that Vehtari et al. (2021) ask for. With fewer, a single group says too
little about itself to go without a warning."""

ACCEPTANCE = 0.1
"""Mean acceptance of a chain's trajectories below which it hardly moves. Jumps may be refused far
more often than that in a run that is all right."""

ACCEPTANCE_OF_ALL = 0.01
"""The same of all its moves together."""

ROUNDED = 0.5
"""Steps of floating point in the energy from which acceptance suffers: a Gaussian with 10^7 added
to its energy, rounded to multiples of 1, has .83 in place of .92."""

FEWEST_TRAJECTORIES = 20
"""Trajectories of a chain from which their acceptance is judged."""

CAPPED = 0.1
"""Share of trajectories cut short by the cap above which it is worth raising."""

TRAJECTORIES_MATTER = 0.5
"""Probability of trajectories from which the pulls on them are judged."""

STRONGEST_PULL = 0.5
"""Probability of the strongest pull on offer above which a stronger one may pay more."""


def findings(
    table: DataFrame, posterior: Dataset, group: np.ndarray | None, sample_stats: Dataset | None
) -> list[str]:
    """Collect everything in a run that its reader should know before trusting it, in sentences.

    `table` is from `summary_table`, of the same `posterior` and `group` [chain].
    """
    still = _stands_still(posterior) | _accepted_nothing(posterior, sample_stats)
    found = [_r_hat(table, "r_hat", R_HAT), _frozen(still)]
    if group is not None:
        found += [
            _r_hat(table, "r_hat_group", R_HAT_GROUP),
            _doubtful_single_group(table, posterior, group),
            _dependent_particles(table, posterior, group),
        ]
    if sample_stats is not None:
        found += [
            _unadjusted(sample_stats),
            lost_modes(sample_stats),
            missed_modes(sample_stats.attrs),
            no_room(sample_stats.attrs),
            no_crossings(sample_stats) or disagreement(sample_stats),
            _no_round_trips(sample_stats.attrs),
            _divergences(sample_stats),
            _acceptance(sample_stats, still),
            _rounded(sample_stats),
            narrow_ends(posterior, sample_stats),
            _unseen_steps(sample_stats.attrs),
            _capped(sample_stats.attrs),
            _strongest_pull(sample_stats.attrs),
            _group_lost(sample_stats, group),
        ]
    return [sentence for sentence in found if sentence]


def notes(posterior: Dataset, group: np.ndarray | None) -> list[str]:
    """Collect what limits the table without speaking against the run."""
    if group is None or len(np.unique(group)) > 1:
        return []
    return [_single_group(posterior, group)]


def _r_hat(table: DataFrame, column: str, bound: float) -> str:
    bad = table[column][table[column] > bound]
    if bad.empty:
        return ""
    return (
        f"{column} is above {bound} for {_names(bad, largest=True)}: the chains do not agree yet. "
        "Run longer (num_warmup, num_samples), or reparametrise the model."
    )


def _stands_still(posterior: Dataset) -> np.ndarray:
    """Which chains stay at a place of their own, shape [chain]; constants are the same in all."""
    still = np.zeros(posterior.sizes["chain"], dtype=bool)
    for draws in chains_first(posterior):
        constant = (draws == draws[:, :1]).all(axis=1)
        varies = (draws != draws[:1, :1]).any(axis=(0, 1))
        still |= (constant & varies).reshape(len(still), -1).any(axis=1)
    return still


def _frozen(still: np.ndarray) -> str:
    if not still.any():
        return ""
    return (
        f"Chains {', '.join(map(str, np.flatnonzero(still)))} never moved in some variable: these "
        "draws are starting values. Check the gradient (gradient_fn), scale the parameters to the "
        "order of 1, use float64, or start closer (init_params)."
    )


def _accepted_nothing(posterior: Dataset, sample_stats: Dataset | None) -> np.ndarray:
    """Which chains never moved by their statistics too, shape [chain]."""
    if sample_stats is None or "acceptance_rate" not in sample_stats:
        return np.zeros(posterior.sizes["chain"], dtype=bool)
    expected = sample_stats["acceptance_rate"].sum("draw").values
    constant = [
        (draws == draws[:, :1]).reshape(len(draws), -1).all(axis=1)
        for draws in chains_first(posterior)
    ]
    return np.all([expected < 1, *constant], axis=0)


def _single_group(posterior: Dataset, group: np.ndarray) -> str:
    group_size = posterior.attrs.get("group_size", len(group))
    return (
        "All chains belong to one group, so r_hat_group compares no more than the two halves of "
        "one series, and particles that went wrong together are not noticed. "
        f"Run at least two groups: num_chains >= 2 * group_size, here {2 * group_size}."
    )


def _doubtful_single_group(table: DataFrame, posterior: Dataset, group: np.ndarray) -> str:
    """A single group is a note, unless its draws are too few to show that it moves freely."""
    per_chain = table["ess_bulk"] / len(group)
    if len(np.unique(group)) > 1 or not (per_chain < ESS_PER_CHAIN).any():
        return ""
    return _single_group(posterior, group)


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


def _no_round_trips(settings: Mapping[str, Any]) -> str:
    if "round_trips" not in settings or np.sum(settings["round_trips"]) > 0:
        return ""
    rejection = np.max(settings["swap_rejections"])
    return (
        "No replica went from the posterior to the reference and back after warm-up, so that "
        "temperatures did not connect modes; of the swaps of one pair of neighbours "
        f"{rejection:.0%} were refused. Give more temperatures, or run longer."
    )


def _divergences(sample_stats: Dataset) -> str:
    if "diverging" not in sample_stats or not sample_stats["diverging"].any():
        return ""
    diverging = sample_stats["diverging"]
    return (
        f"{int(diverging.sum())} of {diverging.size} draws diverged: part of the posterior may be "
        "out of reach. Raise target_accept_prob, or reparametrise the model."
    )


def _acceptance(sample_stats: Dataset, still: np.ndarray) -> str:
    """Of chains that moved at all; for the others there is a sentence already."""
    if "acceptance_rate" not in sample_stats or still.all():
        return ""
    sample_stats = sample_stats.isel(chain=~still)
    rate = sample_stats["acceptance_rate"]
    if "move" not in sample_stats:
        return _hardly_moved(rate.mean("draw"), ACCEPTANCE, "proposals")
    is_trajectory = sample_stats["move"] == 0
    judged = is_trajectory & (is_trajectory.sum("draw") >= FEWEST_TRAJECTORIES)
    of_trajectories = rate.where(judged).mean("draw")
    return _hardly_moved(of_trajectories, ACCEPTANCE, "trajectories") or _hardly_moved(
        rate.mean("draw"), ACCEPTANCE_OF_ALL, "proposals"
    )


def _rounded(sample_stats: Dataset) -> str:
    """Of energies so large that what the test compares is lost in them."""
    if "lp" not in sample_stats or sample_stats["lp"].dtype != np.float32:
        return ""
    energy = float(np.median(np.abs(sample_stats["lp"].values)))
    step = energy * float(np.finfo(np.float32).eps)
    if not step > ROUNDED:
        return ""
    return (
        f"The energy is about {energy:.1g}, which float32 rounds to multiples of {step:.2g}: "
        "proposals are refused for that alone. Use float64 (numpyro.enable_x64(), or float64 data "
        "in Pyro), or leave constants out of the density."
    )


def _hardly_moved(rate: Any, bound: float, moves: str) -> str:
    lowest = float(rate.min())
    # Not a number where no chain has enough to be judged by.
    if not lowest < bound:
        return ""
    return (
        f"Chain {int(rate['chain'][int(rate.argmin())])} accepted {lowest:.1%} of its {moves}: "
        "it hardly moved. Raise num_warmup or lower step_size; with coupling='joint' take a "
        "smaller group_size."
    )


def _unseen_steps(settings: Mapping[str, Any]) -> str:
    if not settings.get("unseen_steps", 0):
        return ""
    return (
        "Proposals were refused in warm-up however short the steps were: the energy has steps that "
        "its gradient does not see (where, floor, counts of what exceeds a parameter, or rounding "
        "in float32), so that trajectories were kept short and jumps do more. The draws are right; "
        "more of them need no larger max_num_steps, but a model in which what switches is summed "
        "over or smoothed, or float64."
    )


def _capped(settings: Mapping[str, Any]) -> str:
    # With a gradient_fn trajectories are meant to be short, however far they would lead.
    share = settings.get("capped_trajectories", 0.0)
    trusted = settings.get("trusts_gradient", 1) and not settings.get("unseen_steps", 0)
    if share <= CAPPED or not trusted:
        return ""
    wanted = np.max(settings["tuned_trajectory_length"]) / np.min(settings["tuned_step_size"])
    return (
        f"max_num_steps={settings['steps_cap']} cut {share:.0%} of the trajectories short; a whole "
        f"one takes about {wanted:.0f} steps. Successive draws may be close to each other: raise "
        "max_num_steps or num_warmup, or reparametrise the model."
    )


def _strongest_pull(settings: Mapping[str, Any]) -> str:
    if "pull_probabilities" not in settings:
        return ""
    share, kappa = settings["pull_probabilities"][-1], settings["pull_kappas"][-1]
    # Where jumps do the work, too few trajectories are left to tell the pulls apart.
    if share <= STRONGEST_PULL or settings["move_probabilities"][0] < TRAJECTORIES_MATTER:
        return ""
    step_size = np.max(settings["tuned_step_size"])
    reach = min(np.max(settings["tuned_trajectory_length"]), settings["steps_cap"] * step_size)
    return (
        f"Warm-up gave the strongest pull on offer a probability of {share:.0%}: the gradient "
        "leads less far than the leader, and a stronger pull may lead farther. Check the gradient, "
        f"or try pulling_strength above {kappa / reach**2:.2g}."
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
