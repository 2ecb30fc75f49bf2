"""The evidence of a tempered run by stepping stones, and what speaks against it."""

from typing import Any, NamedTuple

import numpy as np

from fhl_ppl.core.stacked import stack
from fhl_ppl.core.statistics import TENSION
from fhl_ppl.core.tempering.evidence import stepping_stones
from fhl_ppl.diagnostics.group_units import effective, worst_r_hat

Array = np.ndarray
Dataset = Any


class ByStones(NamedTuple):
    """What the replicas say.

    Attributes
    ----------
    value, error
        log Z, if that of the reference is 0, with its standard error.
    overlap
        What the neighbours that have least in common have, between 0 and 1.
    r_hat
        The larger R-hat, over chains and over groups, of the terms that it is the mean of.
    round_trips
        Of all replicas, from the target to the reference and back.
    """

    value: float
    error: float
    overlap: float
    r_hat: float
    round_trips: int


def by_stones(statistics: Dataset, group: Array) -> ByStones | None:
    """Estimate it from the statistics of draws and their attributes; None without temperatures.

    `group` is that of each chain. Chains with a ladder each are bridged one by one and averaged.
    """
    if TENSION not in statistics:
        return None
    tension = statistics[TENSION].transpose("chain", "draw", ...).values.astype(float)
    chains, draws, temperatures = tension.shape
    ladders = np.reshape(statistics.attrs["inverse_temperatures"], (-1, temperatures))
    parts = tension.reshape(len(ladders), -1, temperatures)
    found = stack([stepping_stones(b, part.T) for b, part in zip(ladders, parts, strict=True)])
    influence = found.influence.reshape(chains, draws)
    return ByStones(
        float(found.log_ratio.sum(axis=1).mean()),
        float(influence.std() / np.sqrt(effective(influence, group))),
        float(found.overlap.min()),
        worst_r_hat(influence, group),
        int(np.sum(statistics.attrs["round_trips"])),
    )
