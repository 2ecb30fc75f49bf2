"""Pictures of what the sampler did: who led, what warm-up did and cost, the modes, the chart.

Each function takes a finished `MCMC` of NumPyro or Pyro, or what `fhl_ppl.to_arviz` made of it, and
returns the axes that it drew on. What ArviZ draws, such as traces and ranks, is left to ArviZ.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fhl_ppl._backend import backend_of
from fhl_ppl._extras import require

require("plots", "matplotlib")

import matplotlib.pyplot as plt

from fhl_ppl.core.charts.chart import to_coordinates
from fhl_ppl.core.learners.windows import window_ends
from fhl_ppl.diagnostics import learnt_chart
from fhl_ppl.diagnostics.annotate import group_of_chains
from fhl_ppl.results import datasets_of
from fhl_ppl.results import modes as modes_table

Array = Any
Axes = Any
Dataset = Any

SMOOTHED = 24
"""Iterations in a running mean: as long as the second window of warm-up is over."""

PALE, STRONG, ACCENT, JUMPS = "0.75", "0.25", "tab:orange", "tab:blue"

__all__ = ["chart", "energies", "gradients", "leaders", "modes", "warmup"]


def leaders(data: Any, *, first: int = 0, last: int = 100, ax: Axes | None = None) -> Axes:
    """Draw who led when: a mark for each draw in which a particle led its group.

    Beside the name of each chain stands the share of all draws that it led. A group has a colour;
    its leader is the particle of the lowest energy among those that may lead.

    Parameters
    ----------
    data
        A finished `MCMC` with the kernel `FHL`, or what `to_arviz` made of it.
    first, last : int, default 0 and 100
        Draws to show, from `first` to before `last`; beyond the end there are none.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If `data` is neither a run nor ArviZ's.
    ValueError
        If the run has no statistic `is_leader`, as that of another kernel, or no draw is left to
        show.

    Examples
    --------
    >>> import arviz, numpy as np
    >>> from fhl_ppl.diagnostics.arviz_lines import from_arrays
    >>> led = np.eye(4, dtype=bool)[[0, 1, 1, 3, 2]].T
    >>> groups = {"posterior": {"x": np.zeros((4, 5))}, "sample_stats": {"is_leader": led}}
    >>> ax = leaders(from_arrays(groups, None, None, {}))
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['0 (20%)', '1 (40%)', '2 (20%)', '3 (20%)']
    """
    statistics = _needed(datasets_of(data), "sample_stats", "is_leader")
    led = _by_chain(statistics["is_leader"])
    shown = np.arange(led.shape[1])[first:last]
    if not len(shown):
        raise ValueError(
            f"there are {led.shape[1]} draws, none of them from first={first} to before "
            f"last={last}; choose first below last and below the number of draws."
        )
    group = group_of_chains(statistics)
    group = np.zeros(len(led), int) if group is None else group
    ax = _one(ax, height=1 + 0.22 * len(led))
    # A gap between groups tells them apart where colours repeat.
    rows = np.arange(len(led)) + 0.6 * np.searchsorted(np.unique(group), group)
    for chain, row in enumerate(rows):
        when = shown[led[chain, shown]]
        ax.vlines(when, row - 0.4, row + 0.4, color=f"C{group[chain] % 10}", linewidth=1.5)
    names = np.asarray(statistics["chain"])
    labels = [f"{name} ({share:.0%})" for name, share in zip(names, led.mean(axis=1), strict=True)]
    ax.set_yticks(rows, labels)
    ax.set(xlabel="draw", ylabel="chain (led of all draws)", title="Who led its group")
    ax.set(xlim=(shown[0] - 1, shown[-1] + 1), ylim=(rows[-1] + 0.8, -0.8))
    return ax


def warmup(data: Any, *, axes: Sequence[Axes] | None = None) -> Array:
    """Draw acceptance, step size and pull through warm-up.

    Dots are means over all particles in an iteration, lines are running means. Acceptance is that
    of trajectories, by which the step size goes, and apart from it that of jumps. Vertical lines
    are where a window ends and all that was learnt, such as the metric, is renewed.

    Parameters
    ----------
    data
        A run that has its warm-up. In NumPyro: what ``fhl_ppl.to_arviz(mcmc, warmup=...)`` made of
        it. In Pyro: ``fhl_ppl.pyro.MCMC(..., keep_warmup=True)`` after its run, or what
        `fhl_ppl.to_arviz` made of it.
    axes : sequence of three matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    numpy.ndarray of three matplotlib.axes.Axes
        Of the acceptance probability, the step size eta and the pulling strength lambda.

    Raises
    ------
    TypeError
        If `data` is neither a run nor ArviZ's.
    ValueError
        If it has no warm-up.
    """
    names = ("acceptance_rate", "step_size", "pulling_strength", "move")
    statistics = _needed(datasets_of(data), "warmup_sample_stats", *names)
    accepted, step_size, pull, move = (_by_chain(statistics[name]) for name in names)
    axes = _several(axes, 3, sharex=True)
    _draw_mean(axes[0], _mean_where(accepted, move == 0), ACCENT, "of trajectories")
    _draw_mean(axes[0], _mean_where(accepted, move > 0), JUMPS, "of jumps")
    _draw_mean(axes[1], step_size.mean(axis=0), ACCENT)
    _draw_mean(axes[2], pull.mean(axis=0), ACCENT)
    axes[0].set(title="Warm-up", ylabel="acceptance", ylim=(0, 1.02))
    axes[0].legend(loc="lower right", fontsize="small")
    axes[1].set(ylabel="step size", yscale="log")
    axes[2].set(ylabel="pull", ylim=(0, None))
    if np.any(pull > 0):
        # Pulls are of different orders, and none in many iterations.
        axes[2].set_yscale("symlog", linthresh=float(np.median(pull[pull > 0])))
    for ax in axes:
        _mark_windows(ax, move.shape[1])
    axes[-1].set_xlabel("iteration of warm-up")
    return axes


def energies(data: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the energy of each particle through warm-up, and mark the leaders'.

    The energy is U, minus the log density, less the lowest that was seen. A particle that is stuck
    is a line above all others.

    Parameters
    ----------
    data
        A run that has its warm-up, as for `warmup`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If `data` is neither a run nor ArviZ's.
    ValueError
        If it has no warm-up.
    """
    statistics = _needed(datasets_of(data), "warmup_sample_stats", "lp", "is_leader")
    energy = -_by_chain(statistics["lp"])
    led = _by_chain(statistics["is_leader"])
    energy = energy - energy[np.isfinite(energy)].min()
    ax = _one(ax)
    ax.plot(energy.T, color=PALE, linewidth=0.6, zorder=1)
    when = np.nonzero(led.T)[0]
    ax.plot(when, energy.T[led.T], ".", color=ACCENT, markersize=2.5, label="leaders")
    # Half of the scale for the values of the end, the rest for the way down.
    width = float(np.quantile(energy[:, energy.shape[1] // 2 :], 0.95)) or 1.0
    ax.set_yscale("symlog", linthresh=width, linscale=1.5)
    ax.set_ylim(bottom=-0.03 * width)
    _mark_windows(ax, energy.shape[1])
    ax.plot([], color=PALE, label="particles")
    ax.legend(loc="upper right", fontsize="small")
    ax.set(xlabel="iteration of warm-up", ylabel="energy above the lowest")
    ax.set_title("Energies of the particles in warm-up")
    return ax


def gradients(data: Any, *, axes: Sequence[Axes] | None = None) -> Array:
    """Draw what was spent where: gradients of each iteration, and of all so far.

    The warm-up comes first, draws after it, if the run has both.

    Parameters
    ----------
    data
        A run that has its warm-up, as for `warmup`.
    axes : sequence of two matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    numpy.ndarray of two matplotlib.axes.Axes
        Of the gradients of a particle in each iteration, and of those of all particles so far.

    Raises
    ------
    TypeError
        If `data` is neither a run nor ArviZ's.
    ValueError
        If it has no warm-up.
    """
    groups = datasets_of(data)
    spent = _by_chain(_needed(groups, "warmup_sample_stats", "n_steps")["n_steps"])
    num_warmup = spent.shape[1]
    if "sample_stats" in groups:
        drawing = _by_chain(_needed(groups, "sample_stats", "n_steps")["n_steps"])
        spent = np.concatenate([spent, drawing], axis=1)
    axes = _several(axes, 2, sharex=True)
    mean, total = spent.mean(axis=0), np.cumsum(spent.sum(axis=0))
    _draw_mean(axes[0], mean, ACCENT)
    axes[0].set(ylabel="of a particle", yscale="log")
    axes[1].plot(total, color=ACCENT)
    axes[1].set(xlabel="iteration", ylabel="of all, so far", ylim=(0, None))
    for ax in axes:
        _mark_windows(ax, num_warmup)
        if num_warmup < len(total):
            ax.axvspan(0, num_warmup, color="0.95", zorder=0)
    share = total[num_warmup - 1] / total[-1]
    told = f", {share:.0%} of them in warm-up" if num_warmup < len(total) else ""
    axes[0].set_title(f"{total[-1]:,} gradients{told}")
    return axes


def modes(data: Any, *, axes: Sequence[Axes] | None = None) -> Array:
    """Draw the table of `fhl_ppl.modes`: weights with errors, and how often chains crossed.

    Parameters
    ----------
    data
        A finished `MCMC` with the kernel `FHL`, or what `to_arviz` made of it.
    axes : sequence of two matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    numpy.ndarray of two matplotlib.axes.Axes
        Of the weights by the draws, with twice their Monte Carlo error, and as warm-up estimated
        them; and of the crossings into each mode, of a chain on average.

    Raises
    ------
    TypeError
        If `data` is neither a run nor ArviZ's.
    ValueError
        If the draws do not say in which mode they are.

    Examples
    --------
    >>> import numpy as np
    >>> from fhl_ppl.diagnostics.arviz_lines import from_arrays
    >>> statistics = {"mode": np.array([[0, 0, 1, 0], [0, 1, 1, 0]])}
    >>> groups = {"posterior": {"x": np.zeros((2, 4))}, "sample_stats": statistics}
    >>> weights, crossings = modes(from_arrays(groups, None, None, {}))
    >>> [float(bar.get_height()) for bar in weights.patches]
    [0.625, 0.375]
    """
    table = modes_table(data)
    axes = _several(axes, 2, across=True)
    place = np.arange(len(table))
    weights, crossings = axes
    error = 2 * np.nan_to_num(table["mcse"].to_numpy())
    weights.bar(place, table["weight"], color=ACCENT, alpha=0.7, label="by the draws, ± 2 mcse")
    weights.errorbar(place, table["weight"], error, fmt="none", color=STRONG, capsize=4)
    weights.plot(place, table["warmup_mass"], "D", color=STRONG, label="by warm-up", markersize=5)
    weights.set(xlabel="mode", ylabel="weight", ylim=(0, None), title="Weights")
    weights.legend(fontsize="small")
    crossings.bar(place, table["per_chain"], color=ACCENT, alpha=0.7)
    crossings.set(xlabel="mode", ylabel="of a chain", title="Crossings into it")
    crossings.set_ylim(0, max(1.0, 1.1 * table["per_chain"].max()))
    for ax in axes:
        ax.set_xticks(place, [str(mode) for mode in table.index])
    return axes


def chart(data: Any, *, axes: Sequence[Axes] | None = None) -> Array:
    """Draw what the chart does: draws in the coordinates of the model, and in the chart's.

    Of all unconstrained parameters the two are shown that tell most: one that drives the places or
    widths of others, and one of these. In the chart they should look like a Gaussian.

    Parameters
    ----------
    data
        A finished `MCMC` with the kernel `FHL`: of NumPyro with vectorized chains, or a
        `fhl_ppl.pyro.MCMC`. What `to_arviz` makes of it has no chart.
    axes : sequence of two matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    numpy.ndarray of two matplotlib.axes.Axes
        Of the model's coordinates, and of the chart's.

    Raises
    ------
    TypeError
        If `data` is no run.
    ValueError
        If the run moved in no chart, or has no unconstrained draws to show, for what
        `fhl_ppl.log_evidence` has none.
    """
    if backend_of(data, "data") == "numpyro":
        from fhl_ppl.numpyro.density import density as of_numpyro

        position, read = of_numpyro(data).position, learnt_chart.of_numpyro
    else:
        from fhl_ppl.pyro.density import density as of_pyro

        position, read = of_pyro(data).position, learnt_chart.of_pyro
    found = read(data)
    before = position.reshape(-1, position.shape[-1])
    after = to_coordinates(found.chart, before)
    driver, child = learnt_chart.pair(found.chart, before)
    axes = _several(axes, 2, across=True)
    titles = "In the model's coordinates", "In the chart's"
    for ax, places, title in zip(axes, (before, after), titles, strict=True):
        ax.plot(places[:, child], places[:, driver], ".", color=JUMPS, markersize=2, alpha=0.3)
        ax.set(xlabel=found.names[child], ylabel=found.names[driver], title=title)
    return axes


def _needed(groups: dict[str, Dataset], group: str, *names: str) -> Dataset:
    """The statistics in `group`, with all `names` among them."""
    statistics = groups.get(group)
    if statistics is None and group.startswith("warmup"):
        raise ValueError(
            "data has no warm-up to draw. In NumPyro: mcmc.warmup(..., collect_warmup=True), then "
            "warmup = fhl_ppl.to_arviz(mcmc), mcmc.run(...), and give "
            "fhl_ppl.to_arviz(mcmc, warmup=warmup). In Pyro: "
            "fhl_ppl.pyro.MCMC(..., keep_warmup=True)."
        )
    missing = [name for name in names if statistics is None or name not in statistics]
    if statistics is None or missing:
        raise ValueError(
            f"data has no statistic {missing[0]!r} in {group!r}; it needs a run with the kernel "
            "FHL that collected its default fields."
        )
    return statistics


def _by_chain(statistic: Any) -> np.ndarray:
    return np.asarray(statistic.transpose("chain", "draw"))


def _mean_where(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Of the chosen chains in each iteration, [iteration]; nan if there are none."""
    count = chosen.sum(axis=0)
    return np.where(count > 0, (values * chosen).sum(axis=0) / np.maximum(count, 1), np.nan)


def _running_mean(values: np.ndarray) -> np.ndarray:
    """Of `SMOOTHED` values around each, fewer at the ends; leaves out what is not a number."""
    window = np.ones(min(SMOOTHED, len(values)))
    known = np.isfinite(values)
    total = np.convolve(np.where(known, values, 0.0), window, mode="same")
    count = np.convolve(known, window, mode="same")
    # Sums by convolution are of whole numbers up to rounding.
    return np.where(count > 0.5, total / np.maximum(count, 1), np.nan)


def _draw_mean(ax: Axes, mean: np.ndarray, colour: str, label: str | None = None) -> None:
    """Dots for the iterations, and a line for what they come to."""
    ax.plot(mean, ".", color=colour, alpha=0.25, markersize=3)
    ax.plot(_running_mean(mean), color=colour, label=label)


def _mark_windows(ax: Axes, num_warmup: int) -> None:
    for end in window_ends(num_warmup):
        ax.axvline(end, color="0.85", linewidth=0.8, zorder=0)


def _one(ax: Axes | None, height: float = 3.4) -> Axes:
    return plt.subplots(figsize=(7.5, height), layout="constrained")[1] if ax is None else ax


def _several(
    axes: Sequence[Axes] | None, count: int, *, across: bool = False, sharex: bool = False
) -> Array:
    if axes is not None:
        if len(axes) != count:
            raise ValueError(f"axes must be {count} axes, got {len(axes)}.")
        return np.asarray(axes, dtype=object)
    shape, size = ((1, count), (7.5, 3.2)) if across else ((count, 1), (7.5, 1.2 + 1.5 * count))
    return plt.subplots(*shape, figsize=size, sharex=sharex, layout="constrained")[1]
