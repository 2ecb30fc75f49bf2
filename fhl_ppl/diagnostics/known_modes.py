"""The modes that warm-up found, and what the draws say of their weights."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fhl_ppl.diagnostics.annotate import group_of_chains
from fhl_ppl.diagnostics.group_units import ess_group

Dataset = Any
DataFrame = Any

WORTH_TELLING = 0.01
"""Mass, as a share, from which a mode without any draws is a reason to warn."""

DISAGREE = 3.0
"""Factor between the weights of a mode by its density and by the draws from which it is told. Where
a mode is no Gaussian the former is off by as much."""

SETTLED = 100.0
"""Effective draws of being in a mode from which the draws know better than the density."""

LIKELY = 0.5
"""Modes that are expected to have been missed, from which on it is told."""

FEWEST_CROSSINGS = 10
"""Crossings of all chains together below which weights rest on where the chains began."""


def known_modes_table(sample_stats: Dataset | None) -> DataFrame:
    """Tabulate them; see `fhl_ppl.modes`."""
    import pandas as pd

    if sample_stats is None or "mode" not in sample_stats:
        raise ValueError(
            "data has no statistic 'mode', so there is no telling its modes; it needs a run with "
            "the kernel FHL that collected its default fields."
        )
    rows = _weights(sample_stats)
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index.name = "mode"
    return table


def _weights(sample_stats: Dataset) -> dict[int, dict[str, Any]]:
    """The rows of the table, by mode."""
    label = sample_stats["mode"].transpose("chain", "draw").values
    group = group_of_chains(sample_stats)
    group = np.arange(len(label)) if group is None else group
    masses = masses_of(sample_stats.attrs)
    known = sorted({*np.unique(label).tolist(), *np.flatnonzero(masses > 0).tolist()})
    changes = label[:, 1:] != label[:, :-1]
    rows = {}
    for mode in known:
        inside = label == mode
        entered = (changes & inside[:, 1:]).sum(axis=1)
        rows[mode] = {
            "weight": inside.mean(),
            "mcse": inside.std() / np.sqrt(_ess(inside, group)),
            "crossings": int(entered.sum()),
            "per_chain": entered.mean(),
            "chains": int(inside.any(axis=1).sum()),
            "warmup_mass": masses[mode] if mode < len(masses) else np.nan,
        }
    return rows


def masses_of(settings: Mapping[str, Any]) -> np.ndarray:
    """Masses of the modes as warm-up estimates them, [component]; of one alone if not told."""
    masses = settings.get("mode_masses", [1.0])
    masses = np.atleast_1d(np.asarray([1.0] if isinstance(masses, str) else masses, float))
    # One alone is number 0 to the draws, whatever its slot in the archive.
    return masses if (masses > 0).sum() > 1 else np.ones(1)


def lost_modes(sample_stats: Dataset) -> str:
    """Warn of modes with a mass in warm-up and no draws."""
    if "mode" not in sample_stats:
        return ""
    masses = masses_of(sample_stats.attrs)
    visited = np.unique(sample_stats["mode"].values)
    lost = [k for k in np.flatnonzero(masses >= WORTH_TELLING) if k not in visited]
    if not lost or (masses > 0).sum() < 2:
        return ""
    share = masses[lost].sum()
    return (
        f"Warm-up saw {len(lost)} mode{'s' * (len(lost) > 1)} of an estimated mass of {share:.0%} "
        "that no draw is in: the draws are of the others alone, or the estimate is wrong. See "
        "fhl_ppl.modes; run longer, with more chains, or start some there (init_params)."
    )


def missed_modes(settings: Mapping[str, Any]) -> str:
    """Warn where the search before warm-up met many modes once, or found some until it ended."""
    missed = float(settings.get("modes_missed", 0.0))
    if missed < LIKELY:
        return ""
    return (
        f"The search before warm-up has probably missed {max(1, round(missed))} or more modes, to "
        "judge by how many of the others one descent alone led to, and how many it found at last. "
        "Look from more places, such as FHL(..., search=500), with more chains, or give "
        "temperatures."
    )


def no_room(settings: Mapping[str, Any]) -> str:
    """Warn where the archive is full: what was found besides is not drawn from."""
    masses = masses_of(settings)
    if not (masses > 0).all() or len(masses) == 1:
        return ""
    return (
        f"All {len(masses)} places of the archive are taken by modes; if warm-up or the search "
        "before it found more, the lightest were left out, and the draws may lack what these "
        "weigh. See fhl_ppl.modes; order the labels or fix the signs that make so many, or give "
        "temperatures."
    )


def no_crossings(sample_stats: Dataset) -> str:
    """Warn of modes between which hardly anybody went."""
    if "mode" not in sample_stats:
        return ""
    label = sample_stats["mode"].transpose("chain", "draw").values
    share = np.bincount(label.ravel().astype(int)) / label.size
    number = int((share >= WORTH_TELLING).sum())
    crossings = int((label[:, 1:] != label[:, :-1]).sum())
    if number < 2 or crossings >= FEWEST_CROSSINGS * (number - 1):
        return ""
    return (
        f"The draws are in {number} modes, between which the chains crossed {crossings} times in "
        "all: the weights of the modes are what the starts made them, and ess_bulk and ess_group "
        "say nothing of it. See fhl_ppl.modes; run longer or with more chains."
    )


def disagreement(sample_stats: Dataset) -> str:
    """Warn of a mode that has another weight by its density than by draws that hardly know it."""
    if "mode" not in sample_stats:
        return ""
    told = []
    for row in _weights(sample_stats).values():
        weight, mass = row["weight"], row["warmup_mass"]
        # A mode without draws has a warning of its own.
        if not (weight > 0 and mass > 0 and max(weight, mass) >= WORTH_TELLING):
            continue
        factor = max(weight / mass, mass / weight)
        effective = weight * (1 - weight) / row["mcse"] ** 2 if weight < 1 else np.inf
        if factor > DISAGREE and effective < SETTLED:
            told.append((factor, weight, mass))
    if not told:
        return ""
    _, weight, mass = max(told)
    return (
        f"A mode has {weight:.2g} of the draws, and by its density as warm-up saw it a weight of "
        f"{mass:.2g}; the chains cross too seldom to settle it. See fhl_ppl.modes; run longer or "
        "with more chains."
    )


def _ess(inside: np.ndarray, group: np.ndarray) -> float:
    """Effective draws of being in a mode or not, [chain, draw]; nan if that is always the same."""
    if inside.all() or not inside.any():
        return np.nan
    return float(ess_group(inside.astype(float), group))
