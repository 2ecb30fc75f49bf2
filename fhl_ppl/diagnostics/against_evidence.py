"""What speaks against an evidence, in sentences with remedies."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from fhl_ppl.diagnostics.stones import ByStones

OVERLAP = 0.05
"""What posterior and G have in common, below which the error is not to be trusted."""

K_HAT = 0.7
"""Pareto's k of the importance weights above which their tail is unknown (Vehtari et al. 2024)."""

MUCH_OVERLAP = 0.5
"""Overlap from which the bridge does not go by that tail. Of 15 targets in 1 to 50 dimensions,
Cauchy and banana among them, 24 runs each, the overlap was .84 or more, k up to 1.8 and above .7 in
an eighth of the runs, and the mean error .001 to .011."""

R_HAT = 1.1
"""Twice as far from 1 as for groups in `checks`: it is the largest of four, each of half of the
draws, and 1.04 where 250 draws of one chain are fine."""

UNEXPLAINED = 16.0
"""By how much the log density may exceed what G explains, as in `core.learners.archive`; and what
speaks against a larger bound is a spike of sd .1 amid a slab of sd 1, which lacks 26."""

MISSING = 0.01
"""Mass of these, relative to that of the draws, from which they are told."""

APART = 4.0
"""Standard errors by which the halves, or two weights of a mode, may differ."""


@dataclass(frozen=True)
class Evidence:
    """What `fhl_ppl.log_evidence` knows.

    Attributes
    ----------
    value
        log of the integral of exp(-U).
    error
        Its standard error.
    warnings
        What speaks against it, sentences with remedies; empty if nothing does.
    overlap
        What the posterior and the Gaussians fitted to it have in common, between 0 and 1.
    k_hat
        Pareto's k of the weights exp(-U) / G of draws from G.
    r_hat
        The largest R-hat, over chains and over groups, of log(exp(-U) / G) within modes, and of the
        terms of the stepping stones.
    ess
        Effective draws, with groups as the unit.
    by_bridge
        Value and error by the bridge between the draws and Gaussians.
    by_stones
        The same by stepping stones from the reference; None of a run without temperatures. `value`
        and `error` are those with the smaller error, or these if the Gaussians do not fit.
    """

    value: float
    error: float
    warnings: tuple[str, ...]
    overlap: float
    k_hat: float
    r_hat: float
    ess: float
    by_bridge: tuple[float, float]
    by_stones: tuple[float, float] | None = None


class Half(NamedTuple):
    """What one half of the draws says, with G from the other.

    Attributes
    ----------
    value, overlap, k_hat, r_hat, ess
        As of `Evidence`.
    errors
        What the draws, and those from G, contribute to the error.
    unexplained
        The most by which the log density exceeds what G explains, near its centres.
    missing
        Mass, relative to Z, of such places away from the draws.
    weights
        Where these are farthest apart.
    """

    value: float
    errors: tuple[float, float]
    overlap: float
    k_hat: float
    r_hat: float
    ess: float
    unexplained: float
    missing: float
    weights: "Weights"


class Weights(NamedTuple):
    """The part whose weight by G is farthest from its share of the draws, in standard errors."""

    apart: float
    by_g: float
    by_draws: float


def with_stones(found: Evidence, stones: ByStones) -> Evidence:
    """Take the value with the smaller error, of what can be trusted."""
    by_stones = stones.value, stones.error
    is_better = stones.error < found.error or found.overlap < OVERLAP or _has_tails(found)
    value, error = by_stones if is_better and _are_firm(stones) else found.by_bridge
    r_hat = max(found.r_hat, stones.r_hat)
    return replace(found, value=value, error=error, r_hat=r_hat, by_stones=by_stones)


def _has_tails(found: Evidence) -> bool:
    return found.k_hat > K_HAT and found.overlap < MUCH_OVERLAP


def _are_firm(stones: ByStones) -> bool:
    return stones.overlap >= OVERLAP and stones.round_trips > 0


def against(
    found: Evidence, first: Half, second: Half, stones: ByStones | None = None
) -> tuple[str, ...]:
    """Sentences on what speaks against it."""
    longer = "Run longer (num_warmup, num_samples) or with more chains"
    told = []
    missing = max(first.missing, second.missing)
    if missing > MISSING:
        told.append(
            f"Away from the draws there are places with about {missing:.2g} times the mass that "
            "the draws are of: modes that no chain is in. Descend from more places before warm-up "
            "(search=500), or run more chains from starts that are farther apart (init_strategy, "
            "init_params)."
        )
    unexplained = max(first.unexplained, second.unexplained)
    if unexplained > UNEXPLAINED:
        told.append(
            f"There is a place whose density is exp({unexplained:.0f}) times what the draws make "
            "it: a narrow mode that no chain is in, whose mass the evidence may lack. Start chains "
            "near it (init_params), at the lowest energies."
        )
    is_bridged = (found.value, found.error) == found.by_bridge
    if is_bridged and found.overlap < OVERLAP:
        told.append(
            f"The posterior and the Gaussians fitted to it overlap by {found.overlap:.2g} only: "
            f"value and error are not to be trusted. {longer}, or reparametrise the model."
        )
    if is_bridged and _has_tails(found):
        told.append(
            f"Pareto's k of the importance weights is {found.k_hat:.2f}: the posterior has tails "
            f"that the Gaussians fitted to it lack, and the error may be too small. {longer}, or "
            "reparametrise the model."
        )
    if found.r_hat > R_HAT:
        told.append(
            f"R-hat of the density is {found.r_hat:.2f}: the chains do not agree yet. {longer}."
        )
    apart = abs(first.value - second.value)
    if apart > APART * np.linalg.norm([first.errors, second.errors]):
        told.append(
            f"The halves of the run differ by {apart:.2g}, far more than their errors. {longer}."
        )
    worst = max(first.weights, second.weights)
    if worst.apart > APART:
        told.append(
            f"A mode has {worst.by_draws:.2g} of the draws and by its density a weight of "
            f"{worst.by_g:.2g}: the evidence goes by the latter, but the chains cross too seldom "
            f"for the draws to be of the posterior. {longer}."
        )
    return (*told, *(() if stones is None else _against_stones(found, stones)))


def _against_stones(found: Evidence, stones: ByStones) -> tuple[str, ...]:
    more = "Give more temperatures, or run longer (num_warmup, num_samples)"
    told = []
    if not stones.round_trips:
        told.append(
            "No replica went from the posterior to the reference and back, so nothing says that "
            f"all modes were found, and how much each weighs. {more}."
        )
    if stones.overlap < OVERLAP:
        told.append(
            f"Two neighbouring temperatures have {stones.overlap:.2g} in common only, so that the "
            f"stepping stones between them are not to be trusted. {more}."
        )
    bridge, error = found.by_bridge
    apart = abs(bridge - stones.value)
    fits = found.overlap >= OVERLAP and not _has_tails(found)
    if fits and _are_firm(stones) and apart > APART * np.hypot(error, stones.error):
        told.append(
            f"The bridge from the draws to Gaussians gives {bridge:.5g} and the stepping stones "
            f"{stones.value:.5g}, far more than their errors apart. Either modes are not weighed "
            f"rightly yet, or a reference_fn, or a prior, is not normalised. {more}."
        )
    return tuple(told)
