"""G for the evidence: a mixture of Gaussians that is fitted to draws, and the parts it falls into.

A cluster of draws is split in two, along an axis or into an inner and an outer half, for as long as
that pays. That finds modes which warm-up had no slot for, and covers what is no Gaussian.
"""

from typing import NamedTuple

import numpy as np

from fhl_ppl.core.mixture import Mixture, log_parts, log_sum

Array = np.ndarray

MOST = 48
"""Components; the evaluation of log G grows with their number."""

ROUNDS = 8
"""How often draws are given to the two halves of a cluster, and these fitted to them."""

PASSES = 3
"""How often clusters are split, and draws then given to all components anew: a component that was
left between two modes by an unlucky split is divided in the next pass."""

FEWEST = 4
"""Draws for each dimension from which a component has a covariance of its own, and exists."""

WIDER = 0.25
"""How much more variance than the draws have, times the root of the dimension: with tails that are
too thin, proposals miss what is outside."""

TOUCHING = 1e-3
"""Probability that a draw of one component belongs to another from which both are one part."""


class Fitted(NamedTuple):
    """G, and the part that each of its components belongs to, numbered from 0: [component]."""

    mixture: Mixture
    part: Array


def fit(draws: Array, label: Array) -> Fitted:
    """Fit G to draws [draw, dim], beginning with a cluster for each `label` [draw].

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> draws = rng.normal(size=(1000, 2)) + 20 * (rng.random((1000, 1)) < 0.3)
    >>> fit(draws, np.zeros(1000)).part
    array([0, 1])
    """
    clusters = [np.flatnonzero(label == each) for each in np.unique(label)]
    for _ in range(PASSES):
        divided = _divided(draws, clusters)
        if len(divided) == len(clusters):
            break
        clusters = _gathered(draws, divided)
    clusters.sort(key=len, reverse=True)
    mixture = _mixture(draws, clusters)
    return Fitted(mixture, _parts(mixture, draws))


def one_gaussian(draws: Array, scale: float) -> Fitted:
    """A Gaussian alone, by so much wider than the draws [draw, dim]."""
    one = _mixture(draws, [np.arange(len(draws))])
    return Fitted(
        one._replace(
            root=scale * one.root,
            inverse_root=one.inverse_root / scale,
            log_volume=one.log_volume + draws.shape[1] * np.log(scale),
        ),
        np.zeros(1, int),
    )


def sample(fitted: Fitted, number: int, rng: np.random.Generator) -> Array:
    """Draw from G: [number, dim]."""
    mixture = fitted.mixture
    share = np.exp(mixture.log_weight)
    chosen = rng.choice(len(share), size=number, p=share / share.sum())
    noise = rng.normal(size=(number, mixture.centre.shape[1]))
    spread = np.empty_like(noise)
    for k in range(len(share)):
        spread[chosen == k] = noise[chosen == k] @ mixture.root[k].T
    return mixture.centre[chosen] + spread


def log_density(fitted: Fitted, position: Array) -> Array:
    """log G at [place, dim]: [place]."""
    return log_sum(log_parts(fitted.mixture, position))


def component_of(fitted: Fitted, position: Array) -> Array:
    """The component that explains each of [place, dim] best: [place]."""
    return np.argmax(log_parts(fitted.mixture, position), axis=1)


def _divided(draws: Array, clusters: list[Array]) -> list[Array]:
    """Split clusters, each an array of numbers of draws, for as long as it pays."""
    todo = list(clusters)
    done: list[Array] = []
    while todo:
        cluster = todo.pop()
        first = _split(draws[cluster]) if len(todo) + len(done) < MOST - 1 else None
        if first is None:
            done.append(cluster)
        else:
            todo += [cluster[first], cluster[~first]]
    return done


def _gathered(draws: Array, clusters: list[Array]) -> list[Array]:
    """Give every draw to the component that explains it best; what loses nearly all goes."""
    few = FEWEST * draws.shape[1] + 2
    for _ in range(ROUNDS if len(clusters) > 1 else 0):
        home = np.argmax(log_parts(_mixture(draws, clusters), draws), axis=1)
        found = [np.flatnonzero(home == k) for k in range(len(clusters))]
        clusters = [each for each in found if len(each) >= few] or clusters
    return clusters


def _mixture(draws: Array, clusters: list[Array]) -> Mixture:
    dim = draws.shape[1]
    # Of few draws the covariance is that within all components.
    centred = np.concatenate([draws[each] - draws[each].mean(axis=0) for each in clusters])
    pooled = _covariance(centred)
    wider = 1 + WIDER / np.sqrt(dim)
    root = np.stack(
        [
            np.linalg.cholesky(
                wider * (_covariance(draws[each]) if len(each) >= FEWEST * dim + 2 else pooled)
            )
            for each in clusters
        ]
    )
    return Mixture(
        np.log([len(each) / len(centred) for each in clusters]),
        np.stack([draws[each].mean(axis=0) for each in clusters]),
        root,
        np.linalg.inv(root),
        np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1),
    )


def _covariance(rows: Array) -> Array:
    """Covariance, shrunk so little that only what is singular shows it."""
    covariance = np.atleast_2d(np.cov(rows, rowvar=False, bias=True))
    variance = np.diagonal(covariance)
    least = 1e-12 * max(variance.max(), 1e-200)
    few = rows.shape[1] / (rows.shape[1] + len(rows) ** 2)
    return (1 - few) * covariance + np.diag(few * variance + 1e-9 * variance + least)


def _split(rows: Array) -> Array | None:
    """Which rows are in the first of two halves, [row]; None if one Gaussian does for them."""
    number, dim = rows.shape
    if number < 4 * (FEWEST * dim + 2):
        return None
    whole = _mixture(rows, [np.arange(number)])
    white = (rows - whole.centre) @ whole.inverse_root[0].T
    square = np.sum(white**2, axis=1)
    # Axes of the fourth moments (Cardoso 1989): two modes of a size make the lowest of all, a small
    # one beside a large the highest, whatever the scales and correlations are.
    axes = np.linalg.eigh((square[:, None] * white).T @ white)[1]
    starts = (white @ axes[:, 0] > 0, white @ axes[:, -1] > 0, square < np.median(square))
    penalty = (dim + 1) * (dim + 2) / 2 * np.log(number)
    best, kept = log_sum(log_parts(whole, rows)).sum() + penalty, None
    for inner in starts:
        for _ in range(ROUNDS):
            if not FEWEST * dim + 2 <= inner.sum() <= number - FEWEST * dim - 2:
                break
            two = log_parts(_mixture(rows, [np.flatnonzero(inner), np.flatnonzero(~inner)]), rows)
            inner = two[:, 0] > two[:, 1]
        else:
            if log_sum(two).sum() > best and inner.any() and not inner.all():
                best, kept = log_sum(two).sum(), inner
    return kept


def _parts(mixture: Mixture, draws: Array) -> Array:
    """Number the parts: components that touch one another, directly or through others."""
    parts = log_parts(mixture, draws)
    belongs = np.exp(parts - log_sum(parts)[:, None])
    own = np.argmax(parts, axis=1)
    number = parts.shape[1]
    is_own = np.eye(number)[own]
    shared = is_own.T @ belongs / np.maximum(is_own.sum(axis=0), 1)[:, None]
    touches = (shared > TOUCHING) | (shared.T > TOUCHING)
    part = np.arange(number)
    for _ in range(number):
        part = np.array([part[row].min() for row in touches])
    return np.unique(part, return_inverse=True)[1]
