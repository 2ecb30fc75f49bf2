"""The evidence of a finished run, its error, and what speaks against it.

G is fitted to either half of the draws, in time, and compared with the other half. That takes the
draws of a chain in one half to know nothing of those in the other, which holds where chains mix.
"""

from dataclasses import replace

import numpy as np

from fhl_ppl.core.evidence import bridge
from fhl_ppl.diagnostics.against_evidence import (
    UNEXPLAINED,
    Evidence,
    Half,
    Weights,
    against,
    with_stones,
)
from fhl_ppl.diagnostics.arviz_lines import pareto_k
from fhl_ppl.diagnostics.density import Density, check_energies, energies
from fhl_ppl.diagnostics.group_units import effective, worst_r_hat
from fhl_ppl.diagnostics.mixture_fit import (
    Fitted,
    component_of,
    fit,
    log_density,
    one_gaussian,
    sample,
)
from fhl_ppl.diagnostics.stones import ByStones

Array = np.ndarray

FEWEST_IN_PART = 50
"""Draws of a half in a part of the space, below which it is no part of its own."""

FAR = 1.5
"""By how much wider than the draws a Gaussian is that looks for modes which no chain is in."""

IMPOSSIBLE = 1e6
"""By how much less likely than a draw a proposal without a finite energy is taken to be."""

LINE = (0.0, 0.125, 0.25, 0.5)
"""Where energies are looked at, from the centre of a component to its lowest draw."""


def estimate(
    density: Density,
    energy: Array,
    label: Array,
    group: Array,
    num_proposals: int,
    seed: int,
    also: tuple[str, ...] = (),
    stones: ByStones | None = None,
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
    stones
        What the replicas of a tempered run say.

    Examples
    --------
    Of a standard normal without its constant:

    >>> draws = np.random.default_rng(0).normal(size=(4, 500, 1))
    >>> density = Density(draws, lambda rows: (rows**2).sum(axis=1) / 2)
    >>> energy, label = (draws**2).sum(axis=2) / 2, np.zeros((4, 500), int)
    >>> found = estimate(density, energy, label, np.zeros(4), num_proposals=1000, seed=1)
    >>> round(found.value, 2), round(float(np.log(2 * np.pi) / 2), 2), found.warnings
    (0.92, 0.92, ())
    """
    num_draws = density.position.shape[1]
    if num_draws < 8 or density.position.shape[0] * num_draws < 100:
        raise ValueError(
            f"the run has {density.position.shape[0]} chains of {num_draws} draws; log_evidence "
            "needs 8 draws a chain and 100 in all: increase num_samples."
        )
    check_energies(density, energy)
    rng = np.random.default_rng(seed)
    halves = np.arange(num_draws) < num_draws // 2
    first, second = (
        _half(density, energy, label, group, here, num_proposals, rng) for here in (halves, ~halves)
    )
    # Where G is close to the posterior either half's estimate goes by the product of what is wrong
    # with one half and with the other: what the draws contribute is then the same for both.
    (draws, g), (other_draws, other_g) = first.errors, second.errors
    error = float(np.hypot((draws + other_draws) / 2, np.hypot(g, other_g) / 2))
    bridged = (first.value + second.value) / 2, error
    found = Evidence(
        *bridged,
        (),
        min(first.overlap, second.overlap),
        max(first.k_hat, second.k_hat),
        max(first.r_hat, second.r_hat),
        first.ess + second.ess,
        bridged,
    )
    if stones is not None:
        found = with_stones(found, stones)
    return replace(found, warnings=(*against(found, first, second, stones), *also))


def _half(
    density: Density,
    energy: Array,
    label: Array,
    group: Array,
    here: Array,
    num_proposals: int,
    rng: np.random.Generator,
) -> Half:
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
    ess = effective(within, group)
    found = bridge(of_draws, of_g, draws_in, g_in, np.maximum(count * ess / count.sum(), 1.0))
    # As in the archive: a covariance from few draws is wrong by the last term.
    lacking = of_all - found.log_evidence - dim**2 / (2 * (~here).sum() * chains)
    lacks = lacking[-len(wide) :] > UNEXPLAINED
    return Half(
        float(found.log_evidence),
        (float(found.error_of_draws), float(found.error_of_g)),
        float(found.overlap),
        pareto_k(of_g),
        worst_r_hat(within, group),
        ess,
        float(lacking[: -len(wide)].max()),
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


def _most_different(share: Array, error: Array, part: Array, group: Array) -> Weights:
    """Compare shares of Z [part], with errors of their logarithms, with those of draws."""
    worst = Weights(0.0, 1.0, 1.0)
    if len(share) < 2:
        return worst
    for k, (by_g, its_error) in enumerate(zip(share, error, strict=True)):
        inside = (part == k).astype(float)
        by_draws = inside.mean()
        spread = (1 - by_draws) / by_draws / effective(inside, group)
        # The error of the sum, in which the largest part has its own, is not more than as large.
        apart = abs(np.log(by_g / by_draws)) / np.sqrt(spread + its_error**2)
        if apart > worst.apart:
            worst = Weights(float(apart), float(by_g), float(by_draws))
    return worst
