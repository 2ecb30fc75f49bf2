"""Particles spread over several devices: groups stay whole, and exchange nothing after warm-up.

The devices may be those of several processes (`jax.distributed`), which all run the same program:
of an array each then has the part that is on its devices.
"""

import copy
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpyro.infer import MCMC
from numpyro.util import not_jax_tracer

from fhl_ppl.runs.processes import REASONS, Alone

Array = Any

_AXIS = "particle"

_OF_ALL = frozenset(("i", "rng_key", "learnt", "anchor", "data", "blocks", "replicas"))
"""Fields of a state of which every device has all; of the others it has those of its particles."""


def as_mesh(mesh: Any) -> Mesh | None:
    """The devices in a row, those of a process beside each other; None if it is None.

    Raises
    ------
    TypeError
        If it is something else, such as a list of devices.
    """
    if mesh is None:
        return None
    if not isinstance(mesh, Mesh):
        raise TypeError(
            f"mesh must be a jax.sharding.Mesh, such as jax.make_mesh((jax.device_count(),), "
            f"('particle',)), or None, got {mesh!r}."
        )
    devices = sorted(mesh.devices.flat, key=lambda device: device.process_index)
    # The compiler finds out where all else goes, whatever the mesh of the user says of its axes.
    return Mesh(np.array(devices), (_AXIS,))


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
    return jax.device_put(z, _rows(mesh))


def placed(mesh: Mesh | None, state: Any) -> Any:
    """A state on the devices of `mesh`, wherever it was."""

    def put(leaf: Array, sharding: NamedSharding) -> Array:
        return _with_bare(lambda x: jax.device_put(x, sharding), leaf)

    return state if mesh is None else jax.tree.map(put, state, _shardings(mesh, state))


def pinned(mesh: Mesh | None, tree: Any) -> Any:
    """Have a compiled program keep particles, leaves [particle, ...], on their devices.

    The compiler finds out where all else goes; were it told, devices would tell each other keys.
    """
    return tree if mesh is None else lax.with_sharding_constraint(tree, _rows(mesh))


def on_host(tree: Any) -> Any:
    """All of it as NumPy arrays, and random keys on one device, if it is on several."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array)]
    if not all(map(not_jax_tracer, leaves)) or all(len(leaf.devices()) == 1 for leaf in leaves):
        return tree
    return jax.tree.map(partial(_with_bare, whole), tree)


def whole(leaf: Array) -> np.ndarray:
    """All of an array, also where other processes have a part of it: then all have to ask."""
    if isinstance(leaf, jax.Array) and not (leaf.is_fully_addressable or leaf.is_fully_replicated):
        leaf = jax.device_put(leaf, _everywhere(leaf.sharding.mesh))
    return np.asarray(leaf)


def processes_of(mesh: Mesh | None) -> Alone:
    """Who has the chains on these devices."""
    if mesh is None or len({device.process_index for device in mesh.devices.flat}) == 1:
        return Alone()
    return Several(mesh)


def of_this_process(mcmc: MCMC) -> MCMC:
    """A copy of a finished run of several processes with the chains here; any other as it is."""
    processes = processes_of(getattr(mcmc.sampler, "mesh", None))
    if not isinstance(processes, Several):
        return mcmc
    mine, first = copy.copy(mcmc), jax.tree.leaves(mcmc._states)[0]
    # Those of `fhl_ppl.run` are these chains already.
    if isinstance(first, jax.Array) and not first.is_fully_addressable:
        mine._states = jax.tree.map(processes.own, mcmc._states)
    mine._states_flat = None
    mine.num_chains = jax.tree.leaves(mine._states)[0].shape[0]
    group = processes.own(mcmc.last_state.group)
    learnt = jax.tree.map(whole, mcmc.last_state.learnt)
    mine._last_state = mcmc.last_state._replace(group=group, learnt=learnt)
    return mine


class Several(Alone):
    """Several processes, whose devices are those of `mesh`."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    def identity(self) -> dict[str, str]:
        """Which process this is."""
        return {"process": f"{jax.process_index()} of {jax.process_count()}"}

    def own(self, array: Array) -> np.ndarray:
        """Rows of the chains here, [chain, ...]; all of what has no rows."""
        if not np.ndim(array):
            return np.asarray(array)
        shards = jax.device_put(array, _rows(self._mesh)).addressable_shards
        shards = sorted(shards, key=lambda shard: shard.index[0].start)
        return np.concatenate([np.asarray(shard.data) for shard in shards])

    def gathered(self, rows: np.ndarray) -> np.ndarray:
        """Rows of all chains, of those here, [chain, ...]."""
        if not np.ndim(rows):
            return rows
        return whole(jax.make_array_from_process_local_data(_rows(self._mesh), rows))

    def agreed(self, stopped: str) -> str:
        """Why any process stops, if one does."""
        here = np.full(len(self._mesh.local_devices), REASONS.index(stopped))
        return REASONS[int(self.gathered(here).max())]


def _rows(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec(mesh.axis_names))


def _everywhere(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec())


def _shardings(mesh: Mesh, state: Any) -> Any:
    """Of all leaves of a state."""

    def of(name: str, value: Any) -> Any:
        sharding = _everywhere(mesh) if name in _OF_ALL else _rows(mesh)
        return jax.tree.map(lambda _: sharding, value)

    return type(state)(**{name: of(name, value) for name, value in state._asdict().items()})


def _with_bare(function: Any, leaf: Array) -> Array:
    """Apply it, to a random key by its numbers: keys cannot be put on devices elsewhere."""
    if not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return function(leaf)
    numbers = jnp.asarray(function(random.key_data(leaf)))
    return random.wrap_key_data(numbers, impl=random.key_impl(leaf))
