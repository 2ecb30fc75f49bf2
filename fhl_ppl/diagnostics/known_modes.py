"""The modes that warm-up found, and what the draws say of their weights."""

from collections.abc import Mapping
from typing import Any

import numpy as np

Dataset = Any
DataFrame = Any

WORTH_TELLING = 0.01
"""Mass, as a share, from which a mode without any draws is a reason to warn."""

FEWEST_CROSSINGS = 10
"""Crossings of all chains together below which weights rest on where the chains began."""


def known_modes_table(sample_stats: Dataset | None) -> DataFrame:
    """Tabulate them; see `fhl_ppl.modes`."""
    import arviz
    import pandas as pd

    if sample_stats is None or "mode" not in sample_stats:
        raise ValueError(
            "data has no statistic 'mode', so there is no telling its modes; it needs a run with "
            "the kernel FHL that collected its default fields."
        )
    label = sample_stats["mode"].transpose("chain", "draw").values
    masses = masses_of(sample_stats.attrs)
    known = sorted({*np.unique(label).tolist(), *np.flatnonzero(masses > 0).tolist()})
    changes = label[:, 1:] != label[:, :-1]
    rows = {}
    for mode in known:
        inside = label == mode
        entered = changes & inside[:, 1:]
        ess = float(arviz.ess(inside.astype(float), method="mean")) if _varies(inside) else np.nan
        rows[mode] = {
            "weight": inside.mean(),
            "mcse": inside.std() / np.sqrt(ess),
            "crossings": int(entered.sum()),
            "chains": int(inside.any(axis=1).sum()),
            "warmup_mass": masses[mode] if mode < len(masses) else np.nan,
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index.name = "mode"
    return table


def masses_of(settings: Mapping[str, Any]) -> np.ndarray:
    """Masses of the modes as warm-up estimates them, [component]; of one alone if not told."""
    masses = settings.get("mode_masses", [1.0])
    return np.atleast_1d(np.asarray([1.0] if isinstance(masses, str) else masses, float))


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


def _varies(inside: np.ndarray) -> bool:
    return bool(inside.any() and not inside.all())
