"""What a run is made of once the model and the number of iterations are known: start, iterate."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from fhl_ppl.core import warmup
from fhl_ppl.core.control import Control
from fhl_ppl.core.groups import Groups, make_groups
from fhl_ppl.core.learners.chart import for_users
from fhl_ppl.core.learners.learner import Learnt
from fhl_ppl.core.sampler import Sampler, make_sampler, step
from fhl_ppl.core.stacked import at
from fhl_ppl.core.state import State
from fhl_ppl.core.statistics import ACCEPTED, STATISTICS, TENSION, read
from fhl_ppl.core.target import Target, state_at
from fhl_ppl.core.tempering import step as tempering
from fhl_ppl.core.tempering.path import Path
from fhl_ppl.core.tempering.step import Replicas
from fhl_ppl.given_metric import block_structure, initial_inverse_mass_matrix
from fhl_ppl.numpyro.adapt_state import MetricBlocks, metric_blocks
from fhl_ppl.numpyro.companions import FIELD, Companions
from fhl_ppl.numpyro.control import JAX
from fhl_ppl.numpyro.model import potential
from fhl_ppl.numpyro.precision import check_can_go_on
from fhl_ppl.numpyro.randomness import draw, draw_of_replicas, force_keys, iteration_keys
from fhl_ppl.numpyro.state import FHLState
from fhl_ppl.options import Options

Array = Any


class Engine(NamedTuple):
    """All that is fixed; whatever depends on the data comes in as a target.

    Attributes
    ----------
    options
        The settings.
    sampler
        What they amount to.
    inverse_mass_matrix
        The metric to start from, [dim] or [dim, dim].
    blocks
        Which sites form blocks of it.
    unravel
        Flat position [dim] to pytree.
    position
        Shape and type of such a position.
    reports_all
        Whether every particle is a chain; otherwise the first of them is.
    control
        Loops and branches, and where windows are ended.
    """

    options: Options
    sampler: Sampler
    inverse_mass_matrix: np.ndarray
    blocks: MetricBlocks
    unravel: Callable[[Array], Any]
    position: jax.ShapeDtypeStruct
    reports_all: bool
    control: Control

    def begin(
        self, target: Target | Path, position: Array
    ) -> tuple[State, Learnt, Replicas | None]:
        """Evaluate the target where particles start, and know nothing yet.

        The positions are [particle, dim], with a path [temperature * particle, dim].
        """
        metric = jnp.asarray(self.inverse_mass_matrix, position.dtype)
        step_size = self.options.step_size
        if isinstance(target, Path):
            position = jnp.reshape(position, (self.options.temperatures, -1, position.shape[1]))
            replicas = tempering.start(
                self.sampler, position, step_size, metric, target, self.control
            )
            return at(replicas.particles, 0), at(replicas.learnt, 0), replicas
        particles = state_at(target, position)
        return particles, warmup.start(self.sampler, particles, step_size, metric), None

    def first_state(
        self,
        particles: State,
        learnt: Learnt,
        replicas: Replicas | None,
        rng_key: Array,
        anchor: Any,
        data: Array,
        spent: Array | int = 0,
    ) -> FHLState:
        """The state before the first iteration; `spent` are gradients of each particle so far."""
        energy = particles.potential_energy
        num_particles = len(energy)

        def nothing(dtype: Any) -> Array:
            return jnp.zeros(num_particles, dtype)

        statistics = {each.name: nothing(each.dtype or energy.dtype) for each in STATISTICS}
        statistics |= {"potential_energy": energy, "energy": energy}
        statistics["step_size"] = jnp.full_like(energy, self.options.step_size)
        statistics["n_steps"] = jnp.asarray(spent, int)
        if replicas is not None:
            statistics[TENSION] = jnp.zeros_like(replicas.particles.potential_energy.T)
        return FHLState(
            i=self._report(nothing(int)),
            mean_accept_prob=self._report(nothing(energy.dtype)),
            num_diverging=self._report(nothing(int)),
            group=self._report(jnp.asarray(self._groups(num_particles).group)),
            particles=particles,
            learnt=learnt,
            rng_key=rng_key,
            anchor=anchor,
            data=data,
            blocks=self.blocks,
            replicas=replicas,
            **self._told(particles.position, statistics),
        )

    def advance(self, state: FHLState, target: Callable[[Array], Target | Path]) -> FHLState:
        """Run one iteration; the target may have noise, from keys [particle]."""
        check_can_go_on(state.i, state.particles, self.position)
        iteration = jnp.ravel(state.i)[0]
        rng_key, key, force_key = iteration_keys(state.rng_key)
        there = target(force_keys(force_key, len(state.particles.position)))
        if isinstance(there, Path):
            moved, position, statistics = self._move_replicas(state, iteration, key, there)
        else:
            moved, position, statistics = self._move(state, iteration, key, there)
        # The first iteration counts what the search for its start took.
        spent = jnp.where(iteration == 0, state.n_steps, 0)
        statistics["n_steps"] = statistics["n_steps"] + spent
        num_warmup, done = self.sampler.num_warmup, iteration + 1
        in_phase = jnp.where(done <= num_warmup, done, done - num_warmup)
        told = self._told(position, statistics)
        return state._replace(
            i=state.i + 1,
            mean_accept_prob=state.mean_accept_prob
            + (told["accept_prob"] - state.mean_accept_prob) / in_phase,
            num_diverging=jnp.where(in_phase == 1, 0, state.num_diverging) + told["diverging"],
            rng_key=rng_key,
            **moved,
            **told,
        )

    def _move(
        self, state: FHLState, iteration: Array, key: Array, target: Target
    ) -> tuple[dict[str, Any], Array, dict[str, Array]]:
        """Fields that it changes, positions as users have them, and statistics."""
        num_particles, dim = state.particles.position.shape
        particles, learnt, info, tuning = step(
            self.sampler,
            self._groups(num_particles),
            state.particles,
            state.learnt,
            iteration,
            draw(key, num_particles, dim, state.particles.position.dtype),
            target,
            self.control,
        )
        users = for_users(learnt, particles, self.control)
        moved = {"particles": particles, "learnt": learnt}
        return moved, users.position, read(users, info, tuning)

    def _move_replicas(
        self, state: FHLState, iteration: Array, key: Array, path: Path
    ) -> tuple[dict[str, Any], Array, dict[str, Array]]:
        """The same at all temperatures; there are no charts."""
        assert state.replicas is not None, "`begin` made them."
        temperatures, num_particles, dim = state.replicas.particles.position.shape
        dtype = state.particles.position.dtype
        replicas, statistics = tempering.step(
            self.sampler,
            self._groups(num_particles),
            state.replicas,
            iteration,
            *draw_of_replicas(key, temperatures, num_particles, dim, dtype),
            path,
            self.control,
        )
        del statistics[ACCEPTED]
        moved = {"particles": at(replicas.particles, 0), "learnt": at(replicas.learnt, 0)}
        return moved | {"replicas": replicas}, moved["particles"].position, statistics

    def _groups(self, num_particles: int) -> Groups:
        # NumPy, not JAX arrays, which under a transformation would be tracers of it.
        return make_groups(num_particles, self.options.group_size, np.zeros(num_particles))

    def _told(self, position: Array, statistics: dict[str, Array]) -> dict[str, Any]:
        """Fields for what every draw reports, from positions and statistics [particle, ...]."""
        num_particles = len(position)
        for each in STATISTICS:
            if each.per == "iteration":
                # What is one number is repeated for every chain.
                statistics[each.name] = jnp.broadcast_to(
                    jnp.asarray(statistics[each.name], each.dtype), num_particles
                )
        z = jax.vmap(self.unravel)(position)
        none = {FIELD: (), TENSION: ()}
        if self.reports_all:
            return {**none, "z": z, **statistics}
        told = {**none, **self._report({"z": z, **statistics})}
        if num_particles > 1:
            told[FIELD] = Companions(*jax.tree.map(lambda leaf: leaf[1:], (z, statistics)))
        return told

    def _report(self, tree: Any) -> Any:
        return tree if self.reports_all else jax.tree.map(lambda leaf: leaf[0], tree)


def make_engine(
    options: Options,
    given_metric: Any,
    num_warmup: int,
    z: Any,
    unravel: Callable[[Array], Any] | None,
    *,
    reports_all: bool,
    has_sites: bool,
    batch_shares: tuple[float, ...] = (),
    control: Control = JAX,
) -> Engine:
    """Settle everything for a run.

    Parameters
    ----------
    options, given_metric
        The settings, with the `inverse_mass_matrix`.
    num_warmup
        Iterations of the warm-up.
    z, unravel
        Parameters of one particle, and how they are made of a flat position.
    reports_all
        See `Engine`.
    has_sites
        Whether the parameters are the sites of a model.
    batch_shares
        See `Options.plan`.
    control
        See `Engine`.

    Raises
    ------
    ValueError
        If the metric does not fit the parameters.
    """
    assert unravel is not None, "The problem has been started."
    dim = sum(leaf.size for leaf in jax.tree.leaves(z))
    sites = potential.slices(z)
    structure = block_structure(options.dense_mass, sites, dim)
    plan = options.plan(num_warmup, dim, structure, batch_shares)
    return Engine(
        options,
        make_sampler(plan, options.coupling, options.adjusted),
        initial_inverse_mass_matrix(given_metric, sites, dim, plan.dense),
        metric_blocks(
            options.dense_mass, sites if has_sites else {}, dim, plan.dense or plan.low_rank
        ),
        unravel,
        jax.eval_shape(lambda z: ravel_pytree(z)[0], z),
        reports_all,
        control,
    )
