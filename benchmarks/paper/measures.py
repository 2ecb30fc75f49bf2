"""What is measured of particles: figures that a picture of the best one cannot flatter."""

import jax
import numpy as np

DIRECTIONS = 64
"""Projections of the sliced distance; more change it by less than its floor's spread."""


def sliced_w2(one: np.ndarray, other: np.ndarray) -> float:
    """Sliced Wasserstein-2 distance of two sets of as many points [particle, dim].

    The root of the mean over directions of the squared distance of the projections, whose
    optimal pairing is by rank. The same directions are used every time.
    """
    dim = one.shape[1]
    if dim == 2:
        angle = np.pi * np.arange(DIRECTIONS) / DIRECTIONS
        directions = np.stack([np.cos(angle), np.sin(angle)])
    else:
        directions = np.random.default_rng(0).normal(size=(dim, DIRECTIONS))
        directions /= np.linalg.norm(directions, axis=0)
    gap = np.sort(one @ directions, axis=0) - np.sort(other @ directions, axis=0)
    return float(np.sqrt(np.mean(gap**2)))


def to_exact(problem, position: np.ndarray, seed: int) -> float:
    """Sliced W2 from particles to as many exact draws."""
    exact = problem.exact(jax.random.key(10_000 + seed), len(position))
    return sliced_w2(position, np.asarray(exact))


def floor(problem, particles: int, seeds: list[int]) -> list[float]:
    """What `to_exact` gives for particles that are exact draws themselves."""
    return [
        to_exact(problem, np.asarray(problem.exact(jax.random.key(20_000 + s), particles)), s)
        for s in seeds
    ]


def settled(
    evaluations: np.ndarray, trace: np.ndarray, low: float, high: float, share: float = 0.9
) -> int | None:
    """Evaluations from which on `trace` is within [low, high]: there, and in most of what follows.

    Most is `share`, since a mean of few particles strays by chance. None if it is not before the
    last quarter of the run, where too little follows to tell.
    """
    inside = (trace >= low) & (trace <= high)
    stays = np.cumsum(inside[::-1])[::-1] / np.arange(len(inside), 0, -1) >= share
    (found,) = np.nonzero(inside & stays)
    if len(found) == 0 or evaluations[found[0]] > 0.75 * evaluations[-1]:
        return None
    return int(evaluations[found[0]])


def spread(position: np.ndarray, variance: np.ndarray) -> float:
    """Standard deviation of the particles in units of the right one; 1 is right."""
    return float(np.sqrt(np.mean(position.var(0) / variance)))
