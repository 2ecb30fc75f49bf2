"""The particles that a chain does not report: kept with the draws, and made chains of again.

Chains that are not vectorized each carry private companions. They cost as much as the particle that
is reported, and are as good.
"""

import copy
import logging
from functools import cache
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax
from numpyro.infer import MCMC

Array = Any

FIELD = "companions"
"""Where the state has them."""

_AT_ONCE = 1024
"""Draws whose deterministic sites are worked out in one batch, so that memory stays bounded."""


class Companions(NamedTuple):
    """What NumPyro collects of them at every draw.

    Attributes
    ----------
    z
        Unconstrained positions, a pytree with leaves [companion, ...].
    statistics
        As those of the chain itself, by name, [companion].
    """

    z: Any
    statistics: dict[str, Array]


@cache
def say_what_they_cost(group_size: int) -> None:
    """Say it once a process, in the log, which no filter of warnings turns into an error."""
    logging.getLogger("fhl_ppl").warning(
        "FHL: each chain is a group of %d particles of its own and reports one of them, so a step "
        "costs %d gradients and gives one draw. With MCMC(..., num_chains=%d, "
        'chain_method="vectorized") the chains are the particles: each is reported, and all learn '
        "from all in warm-up. The draws of the others are kept: fhl_ppl.to_arviz(mcmc) and "
        "fhl_ppl.summary(mcmc) have every particle as a chain.",
        group_size,
        group_size,
        2 * group_size,
    )


def with_companions(mcmc: MCMC) -> MCMC:
    """A copy of a finished run with every particle as a chain, those of a group in a row.

    The run itself if it kept no companions.
    """
    states = mcmc._states
    kept = states.get(FIELD)
    if not isinstance(kept, Companions):
        return mcmc
    samples = states[mcmc._sample_field]
    constrain = mcmc.postprocess_fn or mcmc.sampler.postprocess_fn(mcmc._args, mcmc._kwargs)
    others = _each(constrain, kept.z, kept.statistics["energy"].shape)
    if isinstance(samples, dict):
        # A run may leave sites out, as by extra_fields=("~z.name",).
        others = {name: others[name] for name in samples}
    merged = {
        name: _merge(states[name], values)
        for name, values in kept.statistics.items()
        if name in states
    }
    merged[mcmc._sample_field] = jax.tree.map(_merge, samples, others)
    everyone = copy.copy(mcmc)
    everyone._states = merged
    everyone._states_flat = None
    everyone.num_chains = jax.tree.leaves(merged)[0].shape[0]
    return everyone


def _each(constrain: Any, z: Any, axes: tuple[int, int, int]) -> Any:
    """Apply to every draw of every companion, leaves [*axes, ...]: chain, draw, companion."""
    if not jax.tree.leaves(z):
        # Without latent sites all draws are the same.
        return jax.tree.map(lambda leaf: np.broadcast_to(leaf, (*axes, *leaf.shape)), constrain(z))
    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[3:]), z)
    sites = jax.jit(lambda rows: lax.map(constrain, rows, batch_size=_AT_ONCE))(flat)
    return jax.tree.map(lambda leaf: leaf.reshape(*axes, *leaf.shape[1:]), sites)


def _merge(first: Array, others: Array) -> np.ndarray:
    """Put the first particle of each chain, [chain, draw, ...], before its others.

    [chain, draw, companion, ...] become [chain * particle, draw, ...].
    """
    everyone = np.concatenate([np.asarray(first)[:, :, None], np.asarray(others)], axis=2)
    chains_first = np.swapaxes(everyone, 1, 2)
    return chains_first.reshape(-1, *chains_first.shape[2:])
