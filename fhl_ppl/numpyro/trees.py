"""Nested arrays: of one chain, by their paths, on the host."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import random

Array = Any


def of_chain(tree: Any, k: int) -> Any:
    """Row k of all arrays."""
    return jax.tree.map(lambda leaf: leaf[k], tree)


def by_path(tree: Any) -> dict[str, Array]:
    """All arrays by where they stand."""
    return {jax.tree_util.keystr(path): x for path, x in jax.tree.leaves_with_path(tree)}


def bare(leaf: Array) -> Array:
    """The numbers of a random key; all else is bare."""
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return random.key_data(leaf)
    return leaf


def joined(*leaves: Array) -> Array:
    """One array of [chain, draw, ...] of several, joined on the host, so as to compile nothing."""
    if isinstance(leaves[0], np.ndarray):
        return jax.device_put(np.concatenate(leaves, axis=1))
    return jnp.concatenate(leaves, axis=1)
