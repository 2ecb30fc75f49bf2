"""Particles spread over several devices: groups stay whole, and exchange nothing after warm-up."""

from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

Array = Any


def check_mesh(mesh: Any) -> None:
    """Insist on a mesh of devices, or None.

    Raises
    ------
    TypeError
        If it is something else, such as a list of devices.
    """
    if mesh is not None and not isinstance(mesh, Mesh):
        raise TypeError(
            f"mesh must be a jax.sharding.Mesh, such as jax.make_mesh((jax.device_count(),), "
            f"('particle',)), or None, got {mesh!r}."
        )


def spread_out(
    mesh: Mesh | None, z: Any, particles: int, group_size: int, is_vectorized: bool
) -> Any:
    """Put as many `particles`, a pytree with leaves [particle, ...], on the devices of `mesh`.

    They go there in order, and all that is made of them follows: the compiler sends to each device
    the work of its particles.

    Raises
    ------
    ValueError
        If chains are not particles, or the devices cannot have as many whole groups each.
    """
    if mesh is None:
        return z
    if not is_vectorized:
        raise ValueError(
            'mesh spreads vectorized chains over devices; give MCMC chain_method="vectorized".'
        )
    least = mesh.size * group_size
    if particles % least:
        raise ValueError(
            f"num_chains must be a multiple of {least}, so that each of the {mesh.size} devices of "
            f"mesh has whole groups of {group_size} particles, got {particles}; change num_chains, "
            "group_size or the mesh."
        )
    # The compiler finds out where all else goes, whatever the mesh of the user says of its axes.
    automatic = Mesh(mesh.devices, mesh.axis_names)
    return jax.device_put(z, NamedSharding(automatic, PartitionSpec(mesh.axis_names)))
