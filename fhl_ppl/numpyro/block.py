"""`FHL` as a block of NumPyro's composable `Gibbs`: every chain has values of the other blocks.

`Gibbs` runs its blocks chain by chain and takes `jax.vmap` for several. A chain has one particle;
those that `jax.vmap` runs side by side make the groups. Each moves in a potential that is
conditioned on its own chain's values, so none is stale: given all of these values the particles of
a group have the product of the conditionals as their target, and that is left invariant whoever
leads (section 4). Private companions would have no values of their own to be conditioned on.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import random
from jax.custom_batching import custom_vmap
from jax.flatten_util import ravel_pytree
from numpyro import handlers
from numpyro.infer import init_to_value
from numpyro.infer.mcmc import MCMCKernel
from numpyro.infer.util import constrain_fn

from fhl_ppl.core.state import State
from fhl_ppl.core.target import Plain, state_at
from fhl_ppl.numpyro.engine import Engine, make_engine
from fhl_ppl.numpyro.model import starts
from fhl_ppl.numpyro.model.minibatch import Args, Kwargs
from fhl_ppl.numpyro.model.problem import Problem
from fhl_ppl.numpyro.precision import unknown_to_jax
from fhl_ppl.numpyro.progress import describe
from fhl_ppl.numpyro.randomness import particle_keys
from fhl_ppl.numpyro.state import FHLState
from fhl_ppl.options import Options

Array = Any

ModelCall = tuple[Args, Kwargs]
"""Arguments of the model, by position and by name."""


class Traced:
    """What of a model's arguments differs from chain to chain, or comes from outside of `jit`.

    Attributes
    ----------
    known
        The arguments as they are.
    values
        The traced leaves of them.
    """

    def __init__(self, call: ModelCall) -> None:
        self.known = call
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


def over_chains(of_all: Callable[..., Any], arguments: Any, traced: list[Array]) -> Any:
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


def conditioned(
    problem: Problem, call: Traced, values: list[Array], axes: list[int | None]
) -> Plain:
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

    def __init__(self, options: Options, inverse_mass_matrix: Any, problem: Problem) -> None:
        self._options = options
        self._inverse_mass_matrix = inverse_mass_matrix
        self._problem = problem
        self._engine: Engine | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_engine": None}

    @property
    def model(self) -> Callable[..., Any] | None:
        """The NumPyro model."""
        return self._problem.model

    @property
    def sample_field(self) -> str:
        """Field of the state that holds the draws."""
        return "z"

    def get_diagnostics_str(self, state: FHLState) -> str:
        """Text for the progress bar."""
        return describe(state)

    def wrap_model(self, wrapper: Callable[..., Any]) -> "Block":
        """Condition on the sites of one more kernel around."""
        return Block(self._options, self._inverse_mass_matrix, self._problem.wrapped(wrapper))

    def init(
        self,
        rng_key: Array,
        num_warmup: int,
        init_params: Any = None,
        model_args: Args = (),
        model_kwargs: Kwargs | None = None,
    ) -> FHLState:
        """Start one chain; `Gibbs` hands over constrained values."""
        call = Traced(unknown_to_jax((model_args, model_kwargs or {})))
        rng_key, keys = particle_keys(rng_key, 1)
        strategy = None if init_params is None else init_to_value(values=init_params)
        z = self._problem.start(keys, None, *call.known, strategy)
        first = jax.tree.map(lambda leaf: leaf[0], z)
        position, _ = ravel_pytree(first)
        engine = make_engine(
            self._options,
            self._inverse_mass_matrix,
            num_warmup,
            first,
            self._problem.unravel,
            reports_all=True,
            has_sites=True,
        )

        def of_all(position: Array, values: list[Array], axes: list[int | None]) -> FHLState:
            target = conditioned(self._problem, call, values, axes)
            no_keys = jnp.zeros((len(position), 2), jnp.uint32)
            return parted(
                engine.first_state(*engine.begin(target, position), no_keys, None, jnp.uint32(0))
            )

        # One compiled function: run eagerly, it would be compiled operation by operation.
        begin = jax.jit(lambda position, values: over_chains(of_all, position, values))
        state = begin(position, call.values)
        energy = state.particles.potential_energy
        there, unravel = State(position[None], energy, position[None]), self._problem.unravel
        assert unravel is not None, "It has been started."
        starts.check_finite(there, unravel, wants_gradient=False)
        self._engine = engine
        return type(state)(**(state._asdict() | {"rng_key": rng_key}))

    def sample(self, state: FHLState, model_args: Args, model_kwargs: Kwargs | None) -> FHLState:
        """Run one iteration, of all chains that run side by side."""
        engine = self._engine
        assert engine is not None, "`init` must be called before `sample`."
        call = Traced(unknown_to_jax((model_args, model_kwargs or {})))

        def of_all(states: FHLState, values: list[Array], axes: list[int | None]) -> FHLState:
            target = conditioned(self._problem, call, values, axes)
            return parted(engine.advance(pooled(states), lambda _: target))

        moved: FHLState = over_chains(of_all, state, call.values)
        return moved

    def refresh(self, state: FHLState, model_args: Args, model_kwargs: Kwargs | None) -> FHLState:
        """Work out energy and gradient anew, as the values of other blocks have changed."""
        args, kwargs = unknown_to_jax((model_args, model_kwargs or {}))
        target = self._problem.force(args, kwargs, None, None)
        particles = state_at(target, state.particles.position)
        return state._replace(particles=particles, potential_energy=particles.potential_energy[0])

    def get_constrain_fn(
        self, model_args: Args, model_kwargs: Kwargs | None
    ) -> Callable[[Any], Any]:
        """Map from unconstrained to constrained sites; the other blocks are given these."""
        # Sites of other blocks may be missing here. Whatever is drawn for them is not looked at.
        seeded = handlers.seed(self._problem.model, random.key(0))
        return partial(constrain_fn, seeded, *unknown_to_jax((model_args, model_kwargs or {})))

    def postprocess_fn(self, model_args: Args, model_kwargs: Kwargs | None) -> Callable[[Any], Any]:
        """The same."""
        return self.get_constrain_fn(model_args, model_kwargs)


def pooled(states: FHLState) -> FHLState:
    """States of chains with one particle each as the state of their particles together."""
    return states._replace(
        particles=jax.tree.map(lambda leaf: leaf[:, 0], states.particles),
        learnt=jax.tree.map(lambda leaf: leaf[0], states.learnt),
        data=states.data[0],
    )


def parted(state: FHLState) -> FHLState:
    """Undo it; every chain gets a copy of what has been learnt."""
    num_chains = state.particles.potential_energy.shape[0]

    def copied(leaf: Array) -> Array:
        return jnp.broadcast_to(leaf, (num_chains, *leaf.shape))

    return state._replace(
        particles=jax.tree.map(lambda leaf: leaf[:, None], state.particles),
        learnt=jax.tree.map(copied, state.learnt),
        data=copied(state.data),
    )
