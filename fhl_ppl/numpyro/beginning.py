"""How a run begins: a start is found for every particle, and energies are evaluated there."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh
from numpyro.infer.util import ParamInfo

from fhl_ppl.core import warmup
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.search import Found, search
from fhl_ppl.core.stacked import at
from fhl_ppl.core.state import State
from fhl_ppl.core.target import Plain
from fhl_ppl.core.tempering import step as tempering
from fhl_ppl.numpyro.control import WITHOUT_HOST, control_of, once
from fhl_ppl.numpyro.devices import placed, spread_out
from fhl_ppl.numpyro.engine import Engine, make_engine
from fhl_ppl.numpyro.fingerprint import fingerprint
from fhl_ppl.numpyro.model import starts
from fhl_ppl.numpyro.model.minibatch import Args, Kwargs
from fhl_ppl.numpyro.model.problem import Problem
from fhl_ppl.numpyro.precision import explained
from fhl_ppl.numpyro.randomness import draw_of_search, particle_keys, replica_keys
from fhl_ppl.numpyro.state import FHLState
from fhl_ppl.options import Options

Array = Any


class Beginning(NamedTuple):
    """What is known of a run before its data.

    Attributes
    ----------
    problem
        What is sampled.
    options
        The settings.
    inverse_mass_matrix
        The metric to start from, as it was given.
    mesh
        The devices over which particles are spread; None for one.
    num_warmup
        Iterations of the warm-up.
    num_particles
        Of all chains together, or of one with its private companions.
    is_vectorized
        Whether the chains are the particles.
    """

    problem: Problem
    options: Options
    inverse_mass_matrix: Any
    mesh: Mesh | None
    num_warmup: int
    num_particles: int
    is_vectorized: bool

    def find(
        self, rng_key: Array, init_params: Any, model_args: Args, model_kwargs: Kwargs
    ) -> tuple[Engine, FHLState]:
        """What moves the particles, and the state before the first iteration.

        Raises
        ------
        ValueError
            If a particle cannot start, or `init_params` do not fit.
        """
        num_particles, problem = self.num_particles, self.problem
        temperatures = self.options.temperatures or 1
        if isinstance(init_params, ParamInfo):
            # Of `initialize_model`, which NUTS takes as a whole.
            init_params = init_params.z
        if init_params is not None:
            init_params = starts.with_particle_axis(init_params, num_particles, self.is_vectorized)
            if temperatures > 1:
                init_params = starts.with_replicas(init_params, temperatures)

        @once
        def split(rng_key: Array) -> tuple[Array, Array]:
            rng_key, keys = particle_keys(rng_key, num_particles)
            return rng_key, replica_keys(keys, temperatures)

        rng_key, keys = split(rng_key)

        def begin(may_guess: bool) -> tuple[Engine, FHLState]:
            given = init_params is not None
            with explained():
                z = problem.start(keys, init_params, model_args, model_kwargs, may_guess=may_guess)
                return self._at(z, keys, rng_key, given, model_args, model_kwargs)

        engine, state = begin(may_guess=True)
        trusted = problem.trusts_gradient
        if init_params is None and not starts.can_start(_everyone(state), trusted).all():
            engine, state = begin(may_guess=False)
        assert problem.unravel is not None, "It has been started."
        starts.check_finite(_everyone(state), problem.unravel, trusted)
        return engine, state

    def _at(
        self,
        z: Any,
        keys: Array,
        rng_key: Array,
        is_given: bool,
        model_args: Args,
        model_kwargs: Kwargs,
    ) -> tuple[Engine, FHLState]:
        """The same at `z`, leaves [particle, ...], or if it is not given at better starts."""
        problem, temperatures = self.problem, self.options.temperatures or 1
        first = jax.tree.map(lambda leaf: leaf[0], z)
        # A model without latent sites has an empty pytree, which says nothing of its size.
        flattened = jax.vmap(lambda _, tree: ravel_pytree(tree)[0])
        position, spent = once(flattened)(jnp.arange(len(keys)), z), jnp.zeros((), int)
        # Those at the target come first; for the others all of it is one wide mode.
        own, number = slice(self.num_particles), self.num_particles
        found = None
        if not is_given:
            found = self._found(position[own], keys[own], model_args, model_kwargs)
        if found is not None:
            spent = jnp.asarray(jnp.ceil(found.evaluations / number), int)
            position = jnp.concatenate([jnp.asarray(found.starts), position[number:]])
        position = spread_out(
            *(self.mesh, position, len(keys), self.options.group_size, self.is_vectorized)
        )
        engine = make_engine(
            self.options,
            self.inverse_mass_matrix,
            self.num_warmup,
            first,
            problem.unravel,
            reports_all=self.is_vectorized,
            has_sites=problem.model is not None,
            batch_shares=problem.batch_shares,
            control=control_of(self.mesh),
        )

        # One compiled function: run eagerly, it would be compiled operation by operation. An anchor
        # is searched for, from many gradients of all rows.
        @(jax.jit if problem.batch_shares else once)
        def begin(position: Array, spent: Array, rng_key: Array, data: Array) -> FHLState:
            anchor = None
            if temperatures > 1:
                begun = engine.begin(problem.path(model_args, model_kwargs), position)
            else:
                anchor = problem.find_anchor(first, model_args, model_kwargs)
                if anchor is not None and not is_given:
                    # Far out a batch tells so little that the way in would take most of warm-up.
                    position = jnp.broadcast_to(anchor.position, position.shape)
                target = problem.force(model_args, model_kwargs, keys, anchor)
                begun = engine.begin(target, position)
            return engine.first_state(*begun, rng_key, anchor, data, spent)

        state: FHLState = begin(position, spent, rng_key, fingerprint(model_args, model_kwargs))
        if found is not None:
            state = _remember(state, found)
        return engine, placed(self.mesh, state)

    def _found(
        self, position: Array, keys: Array, model_args: Args, model_kwargs: Kwargs
    ) -> Found | None:
        """What a search from [particle, dim] finds; None if there is to be none."""
        num_particles, dim = position.shape
        bounds = self.options.search_bounds(self.num_warmup, num_particles, dim)
        radius = self.problem.start_radius
        if radius is None or bounds is None:
            return None
        target, control = self.problem.force(model_args, model_kwargs, keys, None), WITHOUT_HOST
        assert isinstance(target, Plain), "There is no search where the force is random."
        draw = partial(draw_of_search, turns=bounds.turns, dim=dim, dtype=position.dtype)
        noise, uniform = once(draw)(keys)
        if not isinstance(position, jax.core.Tracer):
            # Descents take longer to compile than to make: only what they evaluate is compiled.
            evaluate = jax.jit(target.potential_and_gradient)
            target, control = Plain(lambda q: jax.tree.map(np.asarray, evaluate(q))), PYTHON
            position, noise, uniform = map(np.asarray, (position, noise, uniform))
        with np.errstate(all="ignore"):
            return search(target, position, radius, noise, uniform, bounds, control)


def _remember(state: FHLState, found: Found) -> FHLState:
    """With what a search has found in the archive."""
    if state.replicas is None:
        return state._replace(learnt=once(warmup.remember)(state.learnt, found))
    replicas = once(tempering.remember)(state.replicas, found)
    return state._replace(replicas=replicas, learnt=at(replicas.learnt, 0))


def _everyone(state: FHLState) -> State:
    """All particles, of all temperatures."""
    if state.replicas is None:
        return state.particles
    return State(*(jnp.concatenate(leaf) for leaf in state.replicas.particles))
