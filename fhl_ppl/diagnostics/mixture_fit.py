"""G for the evidence: a mixture of Gaussians that is fitted to draws, and the parts it falls into.

A cluster of draws is split in two, along its widest axis or into an inner and an outer half, for as
long as that pays. That finds modes which warm-up had no slot for, and covers what is no Gaussian.
"""

from typing import NamedTuple

import numpy as np

from fhl_ppl.core.mixture import Mixture, log_parts, log_sum

Array = np.ndarray

MOST = 48
"""Components; the evaluation of log G grows with their number."""

ROUNDS = 8
"""How often draws are given to the two halves of a cluster, and these fitted to them."""

FEWEST = 4
"""Draws for each dimension from which a component has a covariance of its own."""

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
    todo = [np.flatnonzero(label == each) for each in np.unique(label)]
    done: list[Array] = []
    while todo:
        cluster = todo.pop()
        halves = _split(draws[cluster]) if len(todo) + len(done) < MOST - 1 else None
        if halves is None:
            done.append(cluster)
        else:
            todo += [cluster[halves], cluster[~halves]]
    done.sort(key=len, reverse=True)
    mixture = _mixture(draws, done)
    return Fitted(mixture, _parts(mixture, draws))


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
        np.log([len(each) / len(draws) for each in clusters]),
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
    centred = rows - rows.mean(axis=0)
    scale = np.sqrt((centred**2).mean(axis=0))
    standard = centred / np.where(scale > 0, scale, 1.0)
    whole = _mixture(rows, [np.arange(number)])
    radius = -log_parts(whole, rows)[:, 0]
    axis = np.linalg.eigh(standard.T @ standard)[1][:, -1]
    penalty = (dim + 1) * (dim + 2) / 2 * np.log(number)
    best, kept = log_sum(log_parts(whole, rows)).sum() + penalty, None
    for inner in (standard @ axis > 0, radius < np.median(radius)):
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
        part = np.array([part[row | (part == own)].min() for own, row in zip(part, touches, strict=True)])
    return np.unique(part, return_inverse=True)[1]
