"""`FHL` for NumPyro: model to potential, keys to random numbers, core's results to fields."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from numpyro.infer import init_to_uniform
from numpyro.infer.mcmc import MCMCKernel
from numpyro.util import identity

from fhl_ppl._docs import filled
from fhl_ppl.arguments import parameters
from fhl_ppl.core import warmup
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.learners.learner import Learnt
from fhl_ppl.core.sampler import Sampler, for_users, make_sampler, step
from fhl_ppl.core.state import State
from fhl_ppl.core.statistics import MEANINGS, STATISTICS, read
from fhl_ppl.core.target import state_at
from fhl_ppl.given_metric import block_structure, initial_inverse_mass_matrix
from fhl_ppl.numpyro.control import JAX
from fhl_ppl.numpyro.model import potential, starts
from fhl_ppl.numpyro.model.minibatch import Anchor, Args, Kwargs
from fhl_ppl.numpyro.model.problem import Problem
from fhl_ppl.numpyro.randomness import draw, force_keys, is_batch, iteration_key, particle_keys
from fhl_ppl.numpyro.state import FHLState
from fhl_ppl.options import Options, only_options

Array = Any


@filled(
    shared=parameters(
        Options,
        library="numpyro",
        particle="the same pytree as `potential_fn` (for a model: the dict of unconstrained sites)",
        simulator="a simulator behind `jax.pure_callback`",
        no_gradient="lambda z: jax.tree.map(jnp.zeros_like, z)",
        noise=", by a key that it then takes, ``gradient_fn(params, rng_key)``, a fresh one at "
        "every evaluation",
        sites="pytree",
        optimiser="BFGS",
        starts="init_params",
        order="in the order of `jax.flatten_util.ravel_pytree`",
    )
)
class FHL(MCMCKernel):
    """Follow Hamiltonian Leader: MCMC on groups of particles, led by the lowest in energy.

    A drop-in for `numpyro.infer.NUTS`. The particles move by leapfrog steps; in each group the one
    with the lowest potential energy leads, and an elastic force pulls others towards it. The
    Metropolis test uses the true potential, so the posterior is right whatever the force: also with
    a gradient that is approximate, wrong or missing (`gradient_fn`).

    **A particle is a chain.** With `MCMC(..., num_chains=N, chain_method="vectorized")` the N
    chains are the particles, grouped in order into groups of `group_size` (as equal as possible),
    and all N feed one warm-up. This is the way to use it. With any other chain method, and with
    `num_chains=1`, every chain carries `group_size - 1` private companions and reports its first
    particle only: that costs `group_size` gradients a step for one reported draw.

    Chains of one group are weakly dependent. `fhl_ppl.summary` therefore also reports ESS and R-hat
    with groups as the unit.

    Parameters
    ----------
    model : callable, optional
        NumPyro model. Exactly one of `model` and `potential_fn` is to be given.
    potential_fn : callable, optional
        Potential energy of a pytree of floating-point arrays; `MCMC.run` then needs `init_params`.
    {shared}
    init_strategy : callable, default `init_to_uniform`
        Where to start.
    forward_mode_differentiation : bool, default False
        Whether to differentiate forward.
    evaluation : {"vmap", "map"}, default "vmap"
        "vmap" evaluates all particles at once; "map" one after the other, for potentials that
        cannot be vmapped, such as a `jax.pure_callback` without `vmap_method`.
    kinetic_fn, max_tree_depth, find_heuristic_step_size, regularize_mass_matrix
        Accepted so that a NUTS call can stay as it is; they have no meaning here, and setting one
        warns (`kinetic_fn` raises: it would change the answer's efficiency silently).

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range or contradicts another; later, from `MCMC.run`, if a particle
        cannot start (the message names the site), if a plate subsamples without `minibatch=True`,
        or with it and a latent site inside, or if `init_params`, `anchor` or the result of
        `gradient_fn` is not shaped as the parameters.

    Notes
    -----
    Source: "Follow Hamiltonian Leader: An Efficient Energy-Guided Sampling Method", Algorithms 1
    and 2. The mathematics is in docs/algorithm.md, the code for it in `fhl_ppl.core`.

    Cannot stand inside `Gibbs`, `HMCGibbs`, `DiscreteHMCGibbs`, `HMCECS` or `MixedHMC`: the
    companions would be conditioned on stale values. Discrete sites can be enumerated instead
    (`infer={"enumerate": "parallel"}`).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import numpyro
    >>> import numpyro.distributions as dist
    >>> from jax import random
    >>> from numpyro.infer import MCMC
    >>> def model(y):
    ...     mu = numpyro.sample("mu", dist.Normal(0, 10))
    ...     numpyro.sample("y", dist.Normal(mu, 1), obs=y)
    >>> mcmc = MCMC(FHL(model), num_warmup=200, num_samples=500, num_chains=8,
    ...             chain_method="vectorized", progress_bar=False)
    >>> mcmc.run(random.key(0), jnp.array([1.0, 2.0, 3.0]))
    >>> mcmc.get_samples(group_by_chain=True)["mu"].shape
    (8, 500)
    >>> round(float(mcmc.get_samples()["mu"].mean()), 1)
    2.0
    """

    def __init__(
        self,
        model: Callable[..., Any] | None = None,
        potential_fn: Callable[[Any], Array] | None = None,
        *,
        gradient_fn: Callable[..., Any] | None = None,
        noisy_gradient: bool = False,
        minibatch: bool = False,
        anchor: Any = None,
        group_size: int = 4,
        coupling: str = "alternate",
        adjusted: bool = True,
        pulling_strength: float | None = None,
        step_size: float = 1.0,
        adapt_step_size: bool = True,
        target_accept_prob: float | None = None,
        trajectory_length: float | None = None,
        num_steps: int | None = None,
        max_num_steps: int | None = None,
        inverse_mass_matrix: Any = None,
        adapt_mass_matrix: bool = True,
        integrator: str = "split",
        jumps: bool = True,
        charts: bool = True,
        dense_mass: bool | str | Sequence[tuple[str, ...]] | None = None,
        init_strategy: Callable[..., Any] = init_to_uniform,
        forward_mode_differentiation: bool = False,
        evaluation: str = "vmap",
        kinetic_fn: Callable[..., Any] | None = None,
        max_tree_depth: int | None = None,
        find_heuristic_step_size: bool = False,
        regularize_mass_matrix: bool = True,
    ) -> None:
        chosen = only_options(locals())
        self._problem = Problem(
            model,
            potential_fn,
            gradient_fn=gradient_fn,
            noisy_gradient=noisy_gradient,
            minibatch=minibatch,
            anchor=anchor,
            init_strategy=init_strategy,
            forward_mode=forward_mode_differentiation,
            evaluation=evaluation,
        )
        if kinetic_fn is not None:
            raise ValueError(
                "kinetic_fn is not supported: the kinetic energy is p' M^-1 p / 2. Leave it out, "
                "and set inverse_mass_matrix if the metric is the point."
            )
        for name, is_set in {
            "max_tree_depth": max_tree_depth is not None,
            "find_heuristic_step_size": find_heuristic_step_size,
            "regularize_mass_matrix": not regularize_mass_matrix,
        }.items():
            if is_set:
                warnings.warn(
                    f"{name} has no meaning for FHL and is ignored"
                    + ("; max_num_steps caps a trajectory." if name == "max_tree_depth" else "."),
                    stacklevel=2,
                )
        self._options = Options(
            **chosen, trusts_gradient=self._problem.trusts_gradient, noisy_gradient=noisy_gradient
        )
        self._inverse_mass_matrix = inverse_mass_matrix
        self._forget()

    def _forget(self) -> None:
        """Drop what `init` sets."""
        # MCMC calls `init` again before it resumes if `_sample_fn` is None.
        self._sample_fn: Callable[..., Any] | None = None
        self._sampler: Sampler | None = None

    def __getstate__(self) -> dict[str, Any]:
        kernel = object.__new__(type(self))
        kernel.__dict__.update(self.__dict__)
        kernel._forget()
        return kernel.__dict__

    @property
    def model(self) -> Callable[..., Any] | None:
        """The NumPyro model, all rows of it, read by `Predictive`'s and ArviZ's helpers."""
        return self._problem.model

    @property
    def options(self) -> Options:
        """The checked settings that do not depend on the backend."""
        return self._options

    @property
    def sample_field(self) -> str:
        """Field of the state that holds the draws."""
        return "z"

    @property
    def default_fields(self) -> tuple[str, ...]:
        """Fields that every run collects: all that `arviz.from_numpyro` has a use for."""
        return "z", *MEANINGS

    def get_diagnostics_str(self, state: FHLState) -> str:
        """Text for the progress bar (NumPyro shows none for vectorized chains)."""
        return (
            f"{state.n_steps} steps of size {state.step_size:.2e}. "
            f"acc. prob={state.mean_accept_prob:.2f}. pull={state.pulling_strength:.2g}"
        )

    def wrap_model(self, wrapper: Callable[..., Any]) -> NoReturn:
        """Refuse to be a block of `Gibbs`, which asks for this when it is built."""
        raise TypeError(
            "FHL cannot be a block of Gibbs: its particles would be conditioned on stale values of "
            'the other blocks. Enumerate discrete sites (infer={"enumerate": "parallel"}) and '
            "sample the rest with FHL alone, or use NUTS as the block."
        )

    def refresh(self, state: FHLState, model_args: Args, model_kwargs: Kwargs | None) -> NoReturn:
        """Refuse to be a block of `Gibbs`, see `wrap_model`."""
        self.wrap_model(identity)

    def init(
        self,
        rng_key: Array,
        num_warmup: int,
        init_params: Any = None,
        model_args: Args = (),
        model_kwargs: Kwargs | None = None,
    ) -> FHLState:
        """Find a start for every particle; called by `MCMC.run`."""
        model_kwargs = {} if model_kwargs is None else model_kwargs
        # A batch of keys is what vectorized chains hand over; their chains are the particles.
        self._vectorized = is_batch(rng_key)
        num_particles = rng_key.shape[0] if self._vectorized else self._options.group_size
        rng_key, keys = particle_keys(rng_key, num_particles)
        if init_params is not None:
            init_params = starts.with_particle_axis(init_params, num_particles, self._vectorized)
        problem = self._problem
        z = problem.start(keys, init_params, model_args, model_kwargs)
        first = jax.tree.map(lambda leaf: leaf[0], z)
        # A model without latent sites has an empty pytree, which says nothing of its batch size.
        particle = jnp.arange(num_particles)
        position = jax.vmap(lambda _, tree: ravel_pytree(tree)[0])(particle, z)
        dim = position.shape[1]
        sites = potential.slices(first)
        structure = block_structure(self._options.dense_mass, sites, dim)
        plan = self._options.plan(num_warmup, dim, structure, problem.batch_shares)
        sampler = make_sampler(plan, self._options.coupling, self._options.adjusted)
        inverse_mass_matrix = initial_inverse_mass_matrix(
            self._inverse_mass_matrix, sites, dim, plan.dense
        )

        # One compiled function: run eagerly, it would be compiled operation by operation.
        @jax.jit
        def begin(position: Array) -> tuple[State, Learnt, Anchor | None]:
            anchor = problem.find_anchor(first, model_args, model_kwargs)
            if anchor is not None and init_params is None:
                # Far out a batch tells so little that the way in would take most of warm-up.
                position = jnp.broadcast_to(anchor.position, position.shape)
            target = problem.force(model_args, model_kwargs, keys, anchor)
            particles = state_at(target, position)
            metric = jnp.asarray(inverse_mass_matrix, position.dtype)
            learnt = warmup.start(sampler, particles, self._options.step_size, metric)
            return particles, learnt, anchor

        particles, learnt, anchor = begin(position)
        if anchor is not None:
            z = jax.vmap(problem.unravel)(particles.position)
        starts.check_finite(
            z,
            particles.potential_energy,
            jax.vmap(problem.unravel)(particles.gradient),
            problem.trusts_gradient,
        )
        self._sampler = sampler
        # NumPy, not JAX arrays: `init` may run under a transformation whose tracers must not stay.
        self._groups = make_groups(num_particles, self._options.group_size, np.zeros(num_particles))
        energy = particles.potential_energy
        self._sample_fn = self._sample

        def nothing(dtype: Any) -> Array:
            return self._report(jnp.zeros(num_particles, dtype))

        known = {
            "potential_energy": self._report(energy),
            "energy": self._report(energy),
            "step_size": self._report(jnp.full_like(energy, self._options.step_size)),
        }
        return FHLState(
            i=nothing(int),
            z=self._report(z),
            mean_accept_prob=nothing(energy.dtype),
            group=self._report(jnp.asarray(self._groups.group)),
            particles=particles,
            learnt=learnt,
            rng_key=rng_key,
            anchor=anchor,
            **{each.name: nothing(each.dtype or energy.dtype) for each in STATISTICS} | known,
        )

    def sample(self, state: FHLState, model_args: Args, model_kwargs: Kwargs | None) -> FHLState:
        """Run one iteration."""
        assert self._sample_fn is not None, "`init` must be called before `sample`."
        return self._sample_fn(state, model_args, {} if model_kwargs is None else model_kwargs)

    def postprocess_fn(self, model_args: Args, model_kwargs: Kwargs | None) -> Callable[..., Any]:
        """Map from unconstrained to constrained sites, with the deterministic ones."""
        return self._problem.postprocess_fn(
            model_args, {} if model_kwargs is None else model_kwargs
        )

    def _sample(self, state: FHLState, model_args: Args, model_kwargs: Kwargs) -> FHLState:
        sampler = self._sampler
        assert sampler is not None
        num_particles, dim = state.particles.position.shape
        iteration = jnp.ravel(state.i)[0]
        rng_key, key = iteration_key(state.rng_key)
        particles, learnt, info, tuning = step(
            sampler,
            self._groups,
            state.particles,
            state.learnt,
            iteration,
            draw(key, num_particles, dim, state.particles.position.dtype),
            self._problem.force(
                model_args, model_kwargs, force_keys(key, num_particles), state.anchor
            ),
            JAX,
        )

        done = iteration + 1
        in_phase = jnp.where(done <= sampler.num_warmup, done, done - sampler.num_warmup)
        users = for_users(learnt, particles, JAX)
        told = self._told(read(users, info, tuning))
        return FHLState(
            i=state.i + 1,
            z=self._report(jax.vmap(self._problem.unravel)(users.position)),
            mean_accept_prob=state.mean_accept_prob
            + (told["accept_prob"] - state.mean_accept_prob) / in_phase,
            group=state.group,
            particles=particles,
            learnt=learnt,
            rng_key=rng_key,
            anchor=state.anchor,
            **told,
        )

    def _told(self, values: dict[str, Array]) -> dict[str, Array]:
        """The statistics as they are reported; what is one number is repeated for every chain."""
        num_particles = len(self._groups.group)
        for each in STATISTICS:
            if each.per == "iteration":
                values[each.name] = jnp.full(num_particles, values[each.name], each.dtype)
        return self._report(values)

    def _report(self, tree: Any) -> Any:
        """All particles for vectorized chains, the first for a chain with private companions."""
        return tree if self._vectorized else jax.tree.map(lambda leaf: leaf[0], tree)
