"""Tell whether a run goes on with the data that its energies are of."""

import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.util import not_jax_tracer

from fhl_ppl.core.state import State
from fhl_ppl.numpyro.model.minibatch import Args, Kwargs

Array = Any

_SAMPLE = 4096
"""Entries of an array that are looked at, evenly spaced: the cost of an iteration stays small, and
other data differ nearly everywhere."""

_FACTOR = 2654435761
"""Of multiplicative hashing: 2^32 divided by the golden ratio."""


def fingerprint(model_args: Args, model_kwargs: Kwargs) -> Array:
    """A number of 32 bits that tells apart what a model is called with.

    It is the same for values before `jit` and under it. Callables and other objects do not count.
    """
    mark = np.uint32(0)
    # Numbers wrap around.
    with np.errstate(over="ignore"):
        for leaf in jax.tree.leaves((model_args, model_kwargs)):
            mark = mark * np.uint32(31) + _of_leaf(leaf)
    return jnp.asarray(mark)


def without_stale_energies(particles: State, is_of_these_data: Array) -> State:
    """Forget the energies if they are those of other data.

    An infinite energy is what a place without one has. The first proposal with an energy is then
    accepted, whatever it is, as a start of a run is; with the energies of other data none might be
    for the rest of the run.
    """
    energy = jnp.where(is_of_these_data, particles.potential_energy, jnp.inf)
    return particles._replace(potential_energy=energy)


def _of_leaf(leaf: Any) -> Array:
    if isinstance(leaf, str | bytes):
        return np.uint32(zlib.crc32(repr(leaf).encode()))
    if not isinstance(leaf, bool | int | float | complex | np.ndarray | np.generic | jax.Array):
        return np.uint32(1)
    bits = _bits(leaf)
    bits = bits[:: max(1, -(-bits.size // _SAMPLE))]
    weights = ((2 * np.arange(bits.size, dtype=np.uint64) + 1) * _FACTOR).astype(np.uint32)
    shape = np.uint32(zlib.crc32(str(np.shape(leaf)).encode()))
    return (bits * weights).sum(dtype=np.uint32) + shape


def _bits(leaf: Any) -> Array:
    """All entries as unsigned integers of 32 bits, flat."""
    if jax.dtypes.issubdtype(getattr(leaf, "dtype", None), jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    xp: Any = jnp
    if not_jax_tracer(leaf):
        # NumPy, so that nothing is compiled for values that are known.
        xp, leaf = np, np.asarray(leaf)
        leaf = leaf.astype(jax.dtypes.canonicalize_dtype(leaf.dtype))
    values = xp.ravel(leaf)
    if xp.issubdtype(values.dtype, xp.complexfloating):
        values = xp.concatenate([xp.real(values), xp.imag(values)])
    if xp.issubdtype(values.dtype, xp.floating):
        size = values.dtype.itemsize
        values = values.view({1: np.uint8, 2: np.uint16}.get(size, np.uint32))
    return values.astype(np.uint32)
