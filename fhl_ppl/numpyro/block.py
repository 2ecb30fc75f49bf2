"""`FHL` as a block of NumPyro's composable `Gibbs`: every chain has values of the other blocks.

`Gibbs` runs its blocks chain by chain and takes `jax.vmap` for several. A chain has one particle;
those that `jax.vmap` runs side by side make the groups. Each moves in a potential that is
conditioned on its own chain's values, so none is stale: given all of these values the particles of
a group have the product of the conditionals as their target, and that is left invariant whoever
leads (section 4). Private companions would have no values of their own to be conditioned on.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

from fhl_ppl.core.target import Plain
from fhl_ppl.numpyro.model.problem import Problem
from fhl_ppl.numpyro.state import FHLState

Array = Any

ModelCall = tuple[tuple, dict]
"""Arguments of the model, by position and by name."""


class Traced:
    """What of a model's arguments differs from chain to chain, or comes from outside of `jit`.

    Attributes
    ----------
    values
        The traced leaves.
    """

    def __init__(self, call: ModelCall) -> None:
        self._leaves, self._tree = jax.tree.flatten(call)
        self.values = [leaf for leaf in self._leaves if isinstance(leaf, jax.core.Tracer)]

    def call(self, values: list[Array]) -> ModelCall:
        """The arguments with these in the place of the traced leaves."""
        rest = iter(values)
        leaves = [
            next(rest) if isinstance(leaf, jax.core.Tracer) else leaf for leaf in self._leaves
        ]
        call: ModelCall = jax.tree.unflatten(self._tree, leaves)
        return call


def over_chains(of_all: Callable, arguments: Any, traced: list[Array]) -> Any:
    """Call a function of all chains from each of them.

    Parameters
    ----------
    of_all
        (arguments [chain, ...], traced values, axes) -> results, leaves [chain, ...]. `axes` is 0
        for each traced value with an axis of chains, and None for those that they share.
    arguments
        Of one chain. Under `jax.vmap` those of all that it runs are put together; without it there
        is one chain.
    traced
        Further arguments, of which not all need to differ.
    """

    @custom_vmap
    def of_one(arguments: Any, traced: list[Array]) -> Any:
        alone = jax.tree.map(lambda leaf: leaf[None], arguments)
        return jax.tree.map(lambda leaf: leaf[0], of_all(alone, traced, [None] * len(traced)))

    @of_one.def_vmap
    def of_many(size: int, batched: Any, arguments: Any, traced: list[Array]) -> Any:
        arguments = jax.tree.map(
            lambda leaf, has: leaf if has else jnp.broadcast_to(leaf, (size, *leaf.shape)),
            arguments,
            batched[0],
        )
        results = of_all(arguments, traced, [0 if has else None for has in batched[1]])
        return results, jax.tree.map(lambda _: True, results)

    return of_one(arguments, traced)


def conditioned(problem: Problem, call: Traced, values: list[Array], axes: list) -> Plain:
    """The potential in which row i of the positions is conditioned on the values of chain i."""

    def of_one(position: Array, values: list[Array]) -> tuple[Array, Array]:
        target: Any = problem.force(*call.call(values), None, None)
        energy, gradient = target.potential_and_gradient(position[None])
        return energy[0], gradient[0]

    def of_all(position: Array) -> tuple[Array, Array]:
        return jax.vmap(of_one, in_axes=(0, axes))(position, values)

    return Plain(of_all)


class Block(MCMCKernel):
    """`FHL` conditioned on the sites of other blocks; what `FHL.wrap_model` gives to `Gibbs`."""

    def __init__(self, kernel: Any, problem: Problem) -> None:
        self._kernel = copy(kernel)
        self._problem = problem
        self._kernel.reports_all = True

    @property
    def model(self) -> Callable | None:
        """The NumPyro model."""
        return self._problem.model

    @property
    def sample_field(self) -> str:
        """Field of the state that holds the draws."""
        return "z"

    def get_diagnostics_str(self, state: FHLState) -> str:
        """Text for the progress bar."""
        return describe(state)

    def wrap_model(self, wrapper: Callable) -> "Block":
        """Condition on the sites of a further kernel around."""
        return Block(self._kernel, self._problem.wrapped(wrapper))

    def init(
        self,
        rng_key: Array,
        num_warmup: int,
        init_params: Any = None,
        model_args: tuple = (),
        model_kwargs: dict | None = None,
    ) -> FHLState:
        """Start one chain; `Gibbs` hands constrained values over."""
        check_key(rng_key)
        rng_key, keys = particle_keys(rng_key, 1)
        strategy = None if init_params is None else init_to_value(values=init_params)
        call = Traced((model_args, {} if model_kwargs is None else model_kwargs))
        z = self._problem.start(keys, None, model_args, call.named, strategy)
        first = jax.tree.map(lambda leaf: leaf[0], z)
        position, _ = ravel_pytree(first)
        setup = self._kernel.set_up(num_warmup, first, position.size, ())

        def of_all(position: Array, values: list[Array], axes: list) -> tuple[State, Learnt]:
            particles = state_at(conditioned(self._problem, call, values, axes), position)
            learnt = setup.start(particles)
            return particles, jax.tree.map(
                lambda leaf: jnp.broadcast_to(leaf, (len(position), *leaf.shape)), learnt
            )

        begin = jax.jit(lambda position, values: over_chains(of_all, position, values))
        particle, learnt = begin(position, call.values)
        particles = jax.tree.map(lambda leaf: leaf[None], particle)
        starts.check_finite(
            z, particles.potential_energy, z, wants_gradient=False
        )
        state = self._kernel.first_state(
            z, particles, learnt, rng_key, None, jnp.uint32(0), setup.blocks
        )
        # What is reported has an axis of particles; a chain has one.
        shared = {"particles": particles, "learnt": learnt, "rng_key": rng_key, "data": state.data}
        return jax.tree.map(lambda leaf: leaf[0], state._replace(particles=None))
