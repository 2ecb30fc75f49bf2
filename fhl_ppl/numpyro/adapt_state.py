"""What was tuned, under the names and in the form of NumPyro's `HMCAdaptState`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from fhl_ppl.core.metrics import AnyMetric, reported
from fhl_ppl.core.metrics.low_rank import LowRankMetric

Array = Any

Blocks = dict[tuple[str, ...], Any]
"""Parts of the metric by the sites that they are of."""


class AdaptState(NamedTuple):
    """The tuned step size and metric.

    Attributes
    ----------
    step_size
        eta, shape [chain].
    inverse_mass_matrix
        M^-1 as in NUTS: of a model a dict from tuples of site names, one for each dense block and
        one for all sites without, to arrays [chain, block, block] or [chain, block], in the order
        of the names. With `potential_fn` one array. Chains that are particles share it. A metric of
        low rank is one block, as a `fhl_ppl.core.metrics.LowRankMetric` of arrays [chain, ...].
    mass_matrix_sqrt
        A lower triangular R with M = R R', or the root of the diagonal, shaped alike; None for a
        metric of low rank.
    mass_matrix_sqrt_inv
        Its inverse.
    """

    step_size: Array
    inverse_mass_matrix: Array | LowRankMetric | Blocks
    mass_matrix_sqrt: Array | Blocks | None
    mass_matrix_sqrt_inv: Array | Blocks | None


@jax.tree_util.register_static
@dataclass(frozen=True)
class MetricBlocks:
    """Which sites form blocks of the metric; no part of a state that a loop could change.

    Attributes
    ----------
    sites
        Names of each block; None where the parameters have no names.
    indices
        Of each block, where its entries lie in the flat position.
    dense
        Whether each block is a matrix.
    """

    sites: tuple[tuple[str, ...], ...] | None
    indices: tuple[tuple[int, ...], ...] = ()
    dense: tuple[bool, ...] = ()


def metric_blocks(
    dense_mass: bool | str | Sequence[str | tuple[str, ...]] | None,
    sites: dict[str, slice],
    dim: int,
    whole: bool,
) -> MetricBlocks:
    """List the blocks.

    Parameters
    ----------
    dense_mass
        As given; a list names the dense blocks.
    sites
        Where each site lies in the flat position; empty if they have no names.
    dim
        Length of the flat position.
    whole
        Whether the metric is dense or of low rank if there are no blocks.
    """
    if not sites:
        return MetricBlocks(None)
    blocks = []
    if isinstance(dense_mass, list | tuple) and dense_mass:
        blocks = [(each,) if isinstance(each, str) else tuple(each) for each in dense_mass]
        rest = tuple(sorted(set(sites) - {name for block in blocks for name in block}))
        dense = [True] * len(blocks) + [False] * bool(rest)
        blocks += [rest] * bool(rest)
    else:
        blocks, dense = [tuple(sorted(sites))], [whole]
    flat = np.arange(dim)
    indices = [tuple(np.concatenate([flat[sites[name]] for name in block])) for block in blocks]
    return MetricBlocks(tuple(blocks), tuple(tuple(map(int, each)) for each in indices), (*dense,))


def adapt_state(
    step_size: Array, metric: AnyMetric, blocks: MetricBlocks, shared_by: int | None
) -> AdaptState:
    """Take the metric apart.

    Parameters
    ----------
    step_size
        Shape [chain].
    metric
        With private companions of several chains there is one for each, [chain, ...].
    blocks
        The sites of its parts.
    shared_by
        The number of chains that share it; None if each has its own.
    """

    def for_chains(part: Any) -> Any:
        if shared_by is None:
            return part
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (shared_by, *leaf.shape)), part)

    whole = reported(metric)
    if isinstance(whole, LowRankMetric):
        whole = for_chains(whole)
        if blocks.sites is None:
            return AdaptState(step_size, whole, None, None)
        (names,) = blocks.sites
        return AdaptState(step_size, {names: whole}, {names: None}, {names: None})
    is_matrix = whole.ndim - (step_size.ndim if shared_by is None else 0) == 2
    if blocks.sites is None:
        sqrt, sqrt_inv = _roots(whole, is_matrix)
        return AdaptState(step_size, *map(for_chains, (whole, sqrt, sqrt_inv)))
    parts: list[Blocks] = [{}, {}, {}]
    for names, index, dense in zip(blocks.sites, blocks.indices, blocks.dense, strict=True):
        part = jnp.take(whole, np.array(index, int), axis=-1)
        if is_matrix:
            part = jnp.take(part, np.array(index, int), axis=-2)
            part = part if dense else jnp.diagonal(part, axis1=-2, axis2=-1)
        roots = _roots(part, dense and is_matrix)
        for of_all, value in zip(parts, (part, *roots), strict=True):
            of_all[names] = for_chains(value)
    return AdaptState(step_size, *parts)


def _roots(inverse_mass_matrix: Array, is_matrix: bool) -> tuple[Array, Array]:
    """R with M = R R', lower triangular or a diagonal, and its inverse."""
    if not is_matrix:
        return inverse_mass_matrix**-0.5, inverse_mass_matrix**0.5
    # Cholesky from the last row up: M^-1 = U U' with U upper triangular, so R^-1 = U'.
    backwards = jnp.linalg.cholesky(inverse_mass_matrix[..., ::-1, ::-1])
    sqrt_inv = jnp.swapaxes(backwards[..., ::-1, ::-1], -2, -1)
    eye = jnp.broadcast_to(jnp.eye(sqrt_inv.shape[-1], dtype=sqrt_inv.dtype), sqrt_inv.shape)
    return solve_triangular(sqrt_inv, eye, lower=True), sqrt_inv
