"""`FHL` for NumPyro: model to potential, keys to random numbers, core's results to fields."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NoReturn

import jax
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh
from numpyro.infer import init_to_uniform
from numpyro.infer.mcmc import MCMCKernel

from fhl_ppl._docs import filled
from fhl_ppl.arguments import parameters, truth
from fhl_ppl.core.statistics import MEANINGS, TENSION
from fhl_ppl.numpyro.beginning import Beginning
from fhl_ppl.numpyro.block import Block
from fhl_ppl.numpyro.callers import (
    check_number_of_keys,
    check_whose_state,
    refuse_hmc_only,
    reports_every_particle,
)
from fhl_ppl.numpyro.companions import FIELD, say_what_they_cost
from fhl_ppl.numpyro.devices import as_mesh, pinned
from fhl_ppl.numpyro.engine import Engine
from fhl_ppl.numpyro.fingerprint import fingerprint, without_stale_energies
from fhl_ppl.numpyro.memory_maps import make_room
from fhl_ppl.numpyro.model.minibatch import Args, Kwargs
from fhl_ppl.numpyro.model.problem import Problem
from fhl_ppl.numpyro.nuts_arguments import check_nuts_arguments
from fhl_ppl.numpyro.precision import unknown_to_jax
from fhl_ppl.numpyro.progress import Ticker
from fhl_ppl.numpyro.randomness import check_key, is_batch
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
    reference_fn : callable, optional
        With `temperatures` the energy of the reference, of the same pytree as `potential_fn`: that
        of a proper density that covers all that may have mass, normalised if `fhl_ppl.log_evidence`
        is to be asked. Default: the prior of the model, its latent sites, whose priors have to be
        proper; what is tempered are observed sites and factors. With a `potential_fn` it has to be
        given.
    init_strategy : callable, default `init_to_uniform`
        Where to start.
    forward_mode_differentiation : bool, default False
        Whether to differentiate forward.
    evaluation : {"vmap", "map"} or int, default "vmap"
        "vmap" evaluates all particles at once; "map" one after the other, for potentials that
        cannot be vmapped, such as a `jax.pure_callback` without `vmap_method`; a number so many at
        a time, where what the model needs for all at once is more than memory holds.
    mesh : jax.sharding.Mesh, optional
        Devices over which vectorized chains are spread, in order, each with whole groups. While
        warm-up pools its statistics the devices exchange sums; afterwards nothing. The draws are
        those of one device, to rounding. The devices may be those of several processes
        (`jax.distributed`), which then all run the same; use `fhl_ppl.run` or `fhl_ppl.stream`.
    kinetic_fn, max_tree_depth, find_heuristic_step_size, regularize_mass_matrix
        Accepted so that a NUTS call can stay as it is, by name or by position; they have no meaning
        here. A `max_tree_depth` other than NUTS's default 10 warns, since it caps nothing
        (`max_num_steps` does); `kinetic_fn` raises.

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

    As a block of `numpyro.infer.Gibbs` the particles are its chains, each conditioned on its own
    values of the other blocks: run it with `chain_method=jax.vmap` and two groups of chains or
    more. One chain alone, or one after the other, is a particle without a group: plain HMC, with
    jumps that need no partner. The sites of the block must not have a support that depends on those
    of others. `HMCGibbs`, `DiscreteHMCGibbs`, `MixedHMC` and `HMCECS` take NumPyro's own HMC only.
    In their place: ``Gibbs([(CustomGibbs(gibbs_fn), sites), (FHL(model), None)])``,
    ``Gibbs([(DiscreteGibbs(model), discrete_latent_sites), (FHL(model), None)])``, and
    `minibatch=True`; or sum discrete sites out (`infer={"enumerate": "parallel"}`).

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
        # Up to the star in the order of NUTS, whose arguments are also given by position.
        model: Callable[..., Any] | None = None,
        potential_fn: Callable[[Any], Array] | None = None,
        kinetic_fn: Callable[..., Any] | None = None,
        step_size: float = 1.0,
        inverse_mass_matrix: Any = None,
        adapt_step_size: bool = True,
        adapt_mass_matrix: bool = True,
        dense_mass: bool | str | Sequence[tuple[str, ...]] | None = None,
        target_accept_prob: float | None = None,
        trajectory_length: float | None = None,
        max_tree_depth: int | tuple[int, int] | None = None,
        init_strategy: Callable[..., Any] = init_to_uniform,
        find_heuristic_step_size: bool = False,
        forward_mode_differentiation: bool = False,
        regularize_mass_matrix: bool = True,
        *,
        gradient_fn: Callable[..., Any] | None = None,
        noisy_gradient: bool = False,
        minibatch: bool = False,
        anchor: Any = None,
        group_size: int = 4,
        coupling: str = "alternate",
        adjusted: bool = True,
        pulling_strength: float | None = None,
        num_steps: int | None = None,
        max_num_steps: int | None = None,
        integrator: str = "split",
        jumps: bool = True,
        charts: bool = True,
        search: bool | int = True,
        temperatures: int | None = None,
        reference_fn: Callable[[Any], Array] | None = None,
        evaluation: str | int = "vmap",
        mesh: Mesh | None = None,
    ) -> None:
        chosen = only_options(locals())
        truth("charts", charts)
        self._mesh = as_mesh(mesh)
        if temperatures is not None and mesh is not None:
            raise ValueError(
                f"temperatures={temperatures} does not go together with mesh: replicas are moved "
                "one temperature after the other on one device. Leave one of them out."
            )
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
            temperatures=temperatures,
            reference_fn=reference_fn,
        )
        check_nuts_arguments(
            kinetic_fn, max_tree_depth, find_heuristic_step_size, regularize_mass_matrix
        )
        self._options = Options(
            **chosen, trusts_gradient=self._problem.trusts_gradient, noisy_gradient=noisy_gradient
        )
        self._inverse_mass_matrix = inverse_mass_matrix
        self._vectorized = False
        self._ticker = Ticker()
        self._forget()

    def _forget(self) -> None:
        """Drop what `init` sets."""
        # MCMC calls `init` again before it resumes if `_sample_fn` is None.
        self._sample_fn: Callable[..., Any] | None = None
        self._engine: Engine | None = None

    def __getstate__(self) -> dict[str, Any]:
        kernel = object.__new__(type(self))
        kernel.__dict__.update(self.__dict__)
        kernel._forget()
        return kernel.__dict__

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """As ever; asked for by `isinstance`, which some kernels call and then say too little."""
        refuse_hmc_only(sys._getframe(1))
        return type(self)

    @property
    def model(self) -> Callable[..., Any] | None:
        """The NumPyro model, all rows of it, read by `Predictive`'s and ArviZ's helpers."""
        return self._problem.model

    @property
    def options(self) -> Options:
        """The checked settings that do not depend on the backend."""
        return self._options

    @property
    def problem(self) -> Problem:
        """What it samples."""
        return self._problem

    @property
    def sample_field(self) -> str:
        """Field of the state that holds the draws."""
        return "z"

    @property
    def default_fields(self) -> tuple[str, ...]:
        """Fields that every run collects: all that `arviz.from_numpyro` has a use for.

        And private companions; an `MCMC` asks when it is made, and may be to have none.
        """
        tempered = () if self._options.temperatures is None else (TENSION,)
        kept = () if reports_every_particle(sys._getframe(1)) else (FIELD,)
        return "z", *MEANINGS, *tempered, *kept

    @property
    def is_ensemble_kernel(self) -> bool:
        """Whether chains are particles; the progress bar of vectorized chains asks for it."""
        return self._vectorized

    def get_diagnostics_str(self, state: FHLState) -> str:
        """Text for the progress bar."""
        return self._ticker(state)

    def wrap_model(self, wrapper: Callable[..., Any]) -> Block:
        """Become a block of `Gibbs`, which asks for this when it is built.

        Raises
        ------
        ValueError
            If the force is random: its noise is not told apart for the chains of `Gibbs`.
        """
        # Gibbs evaluates energies anew in the model's own coordinates.
        options = replace(self._options, charts=False)
        return Block(options, self._inverse_mass_matrix, self._problem.wrapped(wrapper))

    def refresh(self, state: FHLState, model_args: Args, model_kwargs: Kwargs | None) -> NoReturn:
        """Refuse: `Gibbs` runs what `wrap_model` makes, which refreshes itself."""
        raise NotImplementedError("FHL is refreshed as a block of Gibbs only, see wrap_model.")

    def init(
        self,
        rng_key: Array,
        num_warmup: int,
        init_params: Any = None,
        model_args: Args = (),
        model_kwargs: Kwargs | None = None,
    ) -> FHLState:
        """Find a start for every particle; called by `MCMC.run`."""
        model_args, model_kwargs = unknown_to_jax((model_args, model_kwargs or {}))
        check_key(rng_key)
        check_whose_state(sys._getframe(1), FHLState)
        if not isinstance(rng_key, jax.core.Tracer):
            make_room()
        # A batch of keys is what vectorized chains hand over; their chains are the particles.
        self._vectorized = is_batch(rng_key)
        num_particles = rng_key.shape[0] if self._vectorized else self._options.group_size
        if self._vectorized:
            check_number_of_keys(sys._getframe(1), num_particles)
        if num_particles > 1 and not self._vectorized:
            say_what_they_cost(num_particles)
        beginning = Beginning(
            self._problem,
            self._options,
            self._inverse_mass_matrix,
            self._mesh,
            num_warmup,
            num_particles,
            self._vectorized,
        )
        self._engine, state = beginning.find(rng_key, init_params, model_args, model_kwargs)
        self._sample_fn = self._sample
        return state

    def sample(self, state: FHLState, model_args: Args, model_kwargs: Kwargs | None) -> FHLState:
        """Run one iteration."""
        assert self._sample_fn is not None, "`init` must be called before `sample`."
        return self._sample_fn(state, *unknown_to_jax((model_args, model_kwargs or {})))

    @property
    def mesh(self) -> Mesh | None:
        """The devices over which particles are spread, in a row."""
        return self._mesh

    def energies(self, z: Any, model_args: Args, model_kwargs: Kwargs) -> Array:
        """Potential energies [place] at unconstrained sites, a pytree with leaves [place, ...]."""
        position = jax.vmap(lambda one: ravel_pytree(one)[0])(z)
        call = unknown_to_jax((model_args, model_kwargs))
        return jax.jit(self._problem.energy(*call))(position)

    def postprocess_fn(self, model_args: Args, model_kwargs: Kwargs | None) -> Callable[..., Any]:
        """Map from unconstrained to constrained sites, with the deterministic ones."""
        return self._problem.postprocess_fn(*unknown_to_jax((model_args, model_kwargs or {})))

    def _sample(self, state: FHLState, model_args: Args, model_kwargs: Kwargs) -> FHLState:
        assert self._engine is not None
        data = fingerprint(model_args, model_kwargs)
        is_of_these = data == state.data
        particles = pinned(self._mesh, without_stale_energies(state.particles, is_of_these))
        state, replicas = state._replace(particles=particles, data=data), state.replicas
        if replicas is None:
            return self._engine.advance(
                state,
                lambda keys: self._problem.force(model_args, model_kwargs, keys, state.anchor),
            )
        everyone = without_stale_energies(replicas.particles, is_of_these)
        return self._engine.advance(
            state._replace(replicas=replicas._replace(particles=everyone)),
            lambda _: self._problem.path(model_args, model_kwargs),
        )
