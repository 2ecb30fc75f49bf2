"""Densities in the plane, exactly, by a grid."""

import jax
import jax.numpy as jnp

HALF, CELLS = 4.0, 400
"""Half of the side of the square, and cells along it."""


def grid_energy(potential):
    """U at the centres of CELLS x CELLS cells of a square, [cell], and the centres [cell, 2]."""
    line = (jnp.arange(CELLS) + 0.5) / CELLS * 2 * HALF - HALF
    centres = jnp.stack(jnp.meshgrid(line, line), -1).reshape(-1, 2)
    return jax.jit(jax.vmap(potential))(centres), centres


def grid_draws(potential):
    """Exact draws up to the width of a cell: (key, particles) -> [particle, 2]."""
    energy, centres = grid_energy(potential)
    mass = jnp.cumsum(jnp.exp(jnp.min(energy) - energy))

    def exact(key, particles):
        which, within = jax.random.split(key)
        chosen = jnp.searchsorted(mass, mass[-1] * jax.random.uniform(which, (particles,)))
        shift = jax.random.uniform(within, (particles, 2), minval=-0.5, maxval=0.5)
        return centres[chosen] + 2 * HALF / CELLS * shift

    return exact
