"""The evidence of a finished run, its error, and what speaks against it.

G is fitted to either half of the draws, in time, and compared with the other half. That takes the
draws of a chain in one half to know nothing of those in the other, which holds where chains mix.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fhl_ppl.core.evidence import bridge
from fhl_ppl.diagnostics.arviz_lines import pareto_k, rank_r_hat
from fhl_ppl.diagnostics.group_units import ess_group, r_hat_group
from fhl_ppl.diagnostics.mixture_fit import (
    Fitted,
    component_of,
    fit,
    log_density,
    one_gaussian,
    sample,
)
from fhl_ppl.options import Options

Array = np.ndarray

AT_ONCE = 256
"""Places whose energies are worked out in one batch."""

CHECKED = 256
"""Draws whose energies are worked out again, to see that model and data are those of the run."""

FEWEST_IN_PART = 50
"""Draws of a half in a part of the space, below which it is no part of its own."""

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
"""By how much the log density may exceed what G explains, as in `core.learners.archive`."""

FAR = 1.5
"""By how much wider than the draws a Gaussian is that looks for modes which no chain is in."""

MISSING = 0.01
"""Mass of these, relative to that of the draws, from which they are told."""

APART = 4.0
"""Standard errors by which the halves, or two weights of a mode, may differ."""

IMPOSSIBLE = 1e6
"""By how much less likely than a draw a proposal without a finite energy is taken to be."""

LINE = (0.0, 0.125, 0.25, 0.5)
"""Where energies are looked at, from the centre of a component to its lowest draw."""


class Density(NamedTuple):
    """What an adapter reads of a run.

    Attributes
    ----------
    position
        Unconstrained draws, shape [chain, draw, dim].
    energy
        U with the Jacobians of the constraints, of `AT_ONCE` places [place, dim]: [place].
    """

    position: Array
    energy: Callable[[Array], Array]


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
        The largest R-hat, over chains and over groups, of log(exp(-U) / G) within modes.
    ess
        Effective draws, with groups as the unit.
    """

    value: float
    error: float
    warnings: tuple[str, ...]
    overlap: float
    k_hat: float
    r_hat: float
    ess: float


class _Half(NamedTuple):
    """What one half of the draws says, with G from the other."""

    value: float
    errors: tuple[float, float]
    overlap: float
    k_hat: float
    r_hat: float
    ess: float
    unexplained: float
    missing: float
    weights: "_Weights"


class _Weights(NamedTuple):
    """The part whose weight by G is farthest from its share of the draws, in standard errors."""

    apart: float
    by_g: float
    by_draws: float


def estimate(
    density: Density,
    energy: Array,
    label: Array,
    group: Array,
    num_proposals: int,
    seed: int,
    also: tuple[str, ...] = (),
) -> Evidence:
    """Estimate it; see `fhl_ppl.log_evidence`.

    Parameters
    ----------
    density
        Draws and energy.
    energy, label
        U and number of the mode of each draw, as the run has them: [chain, draw].
    group
        Group of each chain, [chain].
    num_proposals
        Draws from either G.
    seed
        Of these.
    also
        What is known to speak against it.
    """
    num_draws = density.position.shape[1]
    if num_draws < 8 or density.position.shape[0] * num_draws < 100:
        raise ValueError(
            f"the run has {density.position.shape[0]} chains of {num_draws} draws; log_evidence "
            "needs 8 draws a chain and 100 in all: increase num_samples."
        )
    _check_energies(density, energy)
    rng = np.random.default_rng(seed)
    halves = np.arange(num_draws) < num_draws // 2
    first, second = (
        _half(density, energy, label, group, here, num_proposals, rng) for here in (halves, ~halves)
    )
    # Where G is close to the posterior either half's estimate goes by the product of what is wrong
    # with one half and with the other: what the draws contribute is then the same for both.
    (draws, g), (other_draws, other_g) = first.errors, second.errors
    error = float(np.hypot((draws + other_draws) / 2, np.hypot(g, other_g) / 2))
    found = Evidence(
        (first.value + second.value) / 2,
        error,
        (),
        min(first.overlap, second.overlap),
        max(first.k_hat, second.k_hat),
        max(first.r_hat, second.r_hat),
        first.ess + second.ess,
    )
    return Evidence(**{**found.__dict__, "warnings": (*_against(found, first, second), *also)})


def check_kernel(options: Options | None, minibatch: bool) -> None:
    """Refuse a run that is not of draws from exp(-U).

    Parameters
    ----------
    options
        Settings of its kernel; None of another kernel than `FHL`.
    minibatch
        Whether it draws minibatches.
    """
    if options is None:
        raise ValueError("log_evidence needs a run of the kernel FHL; run the model with it.")
    if not options.adjusted:
        raise ValueError(
            "log_evidence needs draws of the posterior, which adjusted=False does not give; "
            "run with adjusted=True."
        )
    if minibatch or options.noisy_gradient:
        raise ValueError(
            "log_evidence needs the energies of the draws, and those of a run with a random force "
            "are not kept; run without minibatch=True and noisy_gradient=True."
        )


def check_sites(missing: list[str], improper: list[str]) -> None:
    """Refuse a run without the draws of some latent site, or a model with improper priors."""
    if missing:
        raise ValueError(
            f"log_evidence needs draws of all latent sites, and those of {missing} were not kept; "
            "run without leaving them out (extra_fields, save_params)."
        )
    if improper:
        raise ValueError(
            f"the prior of {improper} is improper or masked, so it has no normaliser and the model "
            "no evidence; give it a proper prior."
        )


def energies(density: Density, position: Array) -> Array:
    """U at [place, dim], in batches of one size, so that they are compiled once: [place]."""
    number = len(position)
    rows = np.concatenate([position, np.repeat(position[-1:], -number % AT_ONCE, axis=0)])
    found = [
        np.asarray(density.energy(rows[begin : begin + AT_ONCE]), float)
        for begin in range(0, len(rows), AT_ONCE)
    ]
    return np.concatenate(found)[:number]


def _check_energies(density: Density, energy: Array) -> None:
    position = density.position.reshape(-1, density.position.shape[-1])
    some = np.linspace(0, len(position) - 1, min(CHECKED, len(position))).astype(int)
    some = some[np.isfinite(position[some]).all(axis=1)]
    if len(some) == 0:
        raise ValueError("no draw has a finite unconstrained position; use float64.")
    there = energy.reshape(-1)[some]
    off = np.abs(energies(density, position[some]) - there)
    # Single precision rounds energies, and what lies at a bound.
    if not np.quantile(off, 0.8) < 0.05 + 1e-5 * np.abs(there).max():
        raise ValueError(
            f"the energies of the draws differ by {np.quantile(off, 0.8):.3g} from what the model "
            "gives for them now: its arguments were changed since the run, it is random, or its "
            "draws were rounded. Run again with the same data, in float64."
        )


def _half(
    density: Density,
    energy: Array,
    label: Array,
    group: Array,
    here: Array,
    num_proposals: int,
    rng: np.random.Generator,
) -> _Half:
    """Compare the draws `here` [draw] with a G that is fitted to all others."""
    fitted, near, far = _fit(density.position[:, ~here], energy[:, ~here], label[:, ~here])
    position = density.position[:, here]
    chains, draws, dim = position.shape
    flat = position.reshape(-1, dim)
    inside = np.isfinite(flat).all(axis=1)
    flat = np.where(inside[:, None], flat, fitted.mixture.centre[0])
    log_g = np.where(inside, log_density(fitted, flat), -np.inf)
    of_draws = -energy[:, here].reshape(-1) - log_g

    proposals = sample(fitted, num_proposals, rng)
    wide = sample(far, num_proposals // 2, rng)
    places = np.concatenate([proposals, near, wide])
    there = energies(density, places)
    there = np.where(np.isnan(there), np.inf, there)
    # Finite, for differences with it: what is impossible has no weight all the same.
    impossible = np.median(of_draws) - IMPOSSIBLE
    of_all = np.maximum(-there - log_density(fitted, places), impossible)
    of_far = np.maximum(-there[-len(wide) :] - log_density(far, wide), impossible)
    of_g = of_all[:num_proposals]

    draws_part, g_part = _usable(
        fitted.part[component_of(fitted, flat)],
        fitted.part[component_of(fitted, proposals)],
        np.isfinite(there[:num_proposals]),
    )
    number = draws_part.max() + 1
    draws_in, g_in = np.eye(number)[draws_part].T, np.eye(number)[g_part].T
    finite = np.where(np.isfinite(of_draws), of_draws, of_draws[inside].max())
    within = finite - (draws_in @ finite / draws_in.sum(axis=1))[draws_part]
    within = within.reshape(chains, draws)
    count = draws_in.sum(axis=1)
    ess = _ess(within, group)
    found = bridge(of_draws, of_g, draws_in, g_in, np.maximum(count * ess / count.sum(), 1.0))
    lacks = of_all[-len(wide) :] - found.log_evidence > UNEXPLAINED
    return _Half(
        float(found.log_evidence),
        (float(found.error_of_draws), float(found.error_of_g)),
        float(found.overlap),
        pareto_k(of_g),
        _r_hat(within, group),
        ess,
        float(of_all[: -len(wide)].max() - found.log_evidence),
        float(np.mean(np.exp(np.clip(of_far - found.log_evidence, None, 700.0)) * lacks)),
        _most_different(found.share, found.share_error, draws_part.reshape(chains, draws), group),
    )


def _fit(position: Array, energy: Array, label: Array) -> tuple[Fitted, Array, Fitted]:
    """G, and where there might be more than it knows.

    Places near the centres of its components, and a Gaussian that is wider than all of it.
    """
    flat = position.reshape(-1, position.shape[-1])
    inside = np.isfinite(flat).all(axis=1)
    flat, energy = flat[inside], energy.reshape(-1)[inside]
    fitted = fit(flat, label.reshape(-1)[inside])
    home = component_of(fitted, flat)
    places = []
    for k, centre in enumerate(fitted.mixture.centre):
        lowest = flat[np.argmin(np.where(home == k, energy, np.inf))]
        places += [centre + z * (lowest - centre) for z in LINE]
    return fitted, np.stack(places), one_gaussian(flat, FAR)


def _usable(of_draws: Array, of_g: Array, possible: Array) -> tuple[Array, Array]:
    """Count parts with too few draws or proposals as one with the largest, and number the others.

    Parts of draws [draw] and of proposals [proposal], and whether these have a finite energy.
    """
    size = max(of_draws.max(), of_g.max()) + 1
    draws = np.bincount(of_draws, minlength=size)
    proposals = np.bincount(of_g[possible], minlength=size)
    enough = (draws >= FEWEST_IN_PART) & (proposals >= FEWEST_IN_PART)
    number = np.where(enough, np.arange(size), np.argmax(draws))
    number = np.unique(np.concatenate([number, [np.argmax(draws)]]), return_inverse=True)[1][:-1]
    return number[of_draws], number[of_g]


def _ess(series: Array, group: Array) -> float:
    """Effective draws of a series [chain, draw]; all of them if it does not vary."""
    found = float(ess_group(series, group))
    return min(found, series.size) if np.isfinite(found) else float(series.size)


def _r_hat(series: Array, group: Array) -> float:
    found = [float(r_hat_group(series, group))]
    if len(series) > 1:
        found.append(rank_r_hat(series))
    return max((each for each in found if np.isfinite(each)), default=1.0)


def _most_different(share: Array, error: Array, part: Array, group: Array) -> _Weights:
    """Compare shares of Z [part], with errors of their logarithms, with those of draws."""
    worst = _Weights(0.0, 1.0, 1.0)
    if len(share) < 2:
        return worst
    for k, (by_g, its_error) in enumerate(zip(share, error, strict=True)):
        inside = (part == k).astype(float)
        by_draws = inside.mean()
        spread = (1 - by_draws) / by_draws / _ess(inside, group)
        # The error of the sum, in which the largest part has its own, is not more than as large.
        apart = abs(np.log(by_g / by_draws)) / np.sqrt(spread + its_error**2)
        if apart > worst.apart:
            worst = _Weights(float(apart), float(by_g), float(by_draws))
    return worst


def _against(found: Evidence, first: _Half, second: _Half) -> tuple[str, ...]:
    """Sentences on what speaks against it."""
    longer = "Run longer (num_warmup, num_samples) or with more chains"
    told = []
    missing = max(first.missing, second.missing)
    if missing > MISSING:
        told.append(
            f"Away from the draws there are places with about {missing:.2g} times the mass that "
            "the draws are of: modes that no chain is in. Run with more chains, from starts that are "
            "farther apart (init_strategy, init_params)."
        )
    unexplained = max(first.unexplained, second.unexplained)
    if unexplained > UNEXPLAINED:
        told.append(
            f"There is a place whose density is exp({unexplained:.0f}) times what the draws make "
            "it: a narrow mode that no chain is in, whose mass the evidence may lack. Start chains "
            "near it (init_params), at the lowest energies."
        )
    if found.overlap < OVERLAP:
        told.append(
            f"The posterior and the Gaussians fitted to it overlap by {found.overlap:.2g} only: "
            f"value and error are not to be trusted. {longer}, or reparametrise the model."
        )
    if found.k_hat > K_HAT and found.overlap < MUCH_OVERLAP:
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
    return tuple(told)
