"""Loops and branches of compiled programs."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax

from fhl_ppl.core.control import Control


def _fori_loop(lower: Any, upper: Any, body: Callable, init: Any) -> Any:
    # Numbers of steps are floating-point numbers, as all that warm-up works out.
    return lax.fori_loop(jnp.asarray(lower, int), jnp.asarray(upper, int), body, init)


# XLA moves what does not change out of a loop, and so works it out even if the loop is never
# entered. It leaves the branches of a conditional alone.
JAX = Control(_fori_loop, lax.cond)
"""Of JAX. Under `jax.vmap` both branches of a `cond` are run, and with them the ends of windows."""
