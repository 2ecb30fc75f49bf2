"""`FHL` for Pyro: model to potential, one particle's sites in and out, statistics on request."""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyro
import torch
from pyro.infer.autoguide.initialization import init_to_uniform
from torch import Tensor

from fhl_ppl._docs import filled
from fhl_ppl.arguments import blocks, check_reference, check_target, parameters
from fhl_ppl.options import Options, only_options
from fhl_ppl.pyro.batching.potential import BatchedPotential
from fhl_ppl.pyro.checks import as_number, check_kernel_arguments
from fhl_ppl.pyro.model.minibatch import Minibatch
from fhl_ppl.pyro.model.problem import Problem
from fhl_ppl.pyro.model.source import Source
from fhl_ppl.pyro.model.starts import expanded
from fhl_ppl.pyro.nuts_names import NutsNames
from fhl_ppl.pyro.run.chains import Chains
from fhl_ppl.pyro.run.companions import say_what_they_cost
from fhl_ppl.pyro.run.engines import make_engine


@filled(
    shared=parameters(
        Options,
        library="pyro",
        particle="the dict of unconstrained sites",
        simulator="a simulator",
        no_gradient="lambda sites: {name: torch.zeros_like(x) for name, x in sites.items()}",
        noise=", with Torch",
        sites="mapping of str to Tensor",
        optimiser="L-BFGS",
        starts="initial_params",
        order="sites in the order of the model",
    )
)
class FHL(NutsNames):
    """Follow Hamiltonian Leader: MCMC on groups of particles, led by the lowest in energy.

    A drop-in for ``pyro.infer.NUTS``. The particles move by leapfrog steps; in each group the one
    with the lowest potential energy leads, and an elastic force pulls others towards it. The
    Metropolis test uses the true potential, so the posterior is right whatever the force: also with
    a gradient that is approximate, wrong or missing (`gradient_fn`).

    **A particle is a chain.** `fhl_ppl.pyro.MCMC` with ``num_chains=N`` moves N particles in one
    process, grouped in order into groups of `group_size` (as equal as possible), evaluates them in
    one batch, and reports all of them. This is the way to use it: 64 particles cost about as much
    as one. In ``pyro.infer.MCMC`` and ``StreamingMCMC`` each chain carries ``group_size - 1``
    private companions and reports its first particle only: `group_size` gradients a step, in one
    batch, for one reported draw.

    Chains of one group are weakly dependent; ESS and R-hat should also be looked at with groups as
    the unit.

    Parameters
    ----------
    model : callable, optional
        Pyro model. Exactly one of `model` and `potential_fn` is to be given.
    potential_fn : callable, optional
        Maps the dict of one particle's unconstrained sites to the potential energy, a scalar
        tensor; MCMC then needs `initial_params`.
    {shared}
    reference_fn : callable, optional
        With `temperatures` the energy of the reference, of the same dict as `potential_fn`: that of
        a proper density that covers all that may have mass, normalised if `fhl_ppl.log_evidence` is
        to be asked. Default: the prior of the model, its latent sites, whose priors have to be
        proper; what is tempered are observed sites and factors. With a `potential_fn` it has to be
        given.
    full_mass : bool, "low_rank" or list of tuples of str, optional
        Pyro's name for `dense_mass`.
    init_strategy : callable, default ``init_to_uniform``
        Where to start.
    transforms : mapping, optional
        By site, transforms from the support to the unconstrained space.
    max_plate_nesting : int, optional
        For enumeration. Default: found by running the model once.
    jit_compile : bool, default False
        Compile with ``torch.compile``, once evaluation has taken as long as that will, and use what
        is compiled if it is faster; draws may then differ in rounding. The gradient is recorded and
        replayed in any case, which takes fractions of a second, and a loop of 50 time steps one or
        two.
    jit_options : dict, optional
        Keyword arguments for ``torch.compile``, which then begins at once.
    min_stepsize, max_stepsize : float, default 1e-10, 1e10
        Bounds on eta.
    keep_companions : bool, default False
        Whether `diagnostics` also returns the draws of private companions.
    ignore_jit_warnings, max_tree_depth, use_multinomial_sampling
        Accepted so that a NUTS call can stay as it is. They have no meaning here; setting one of
        the last two warns.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range or contradicts another; later, from ``run``, if a particle
        cannot start (the message names the site).
    NotImplementedError
        From ``run``, if a plate subsamples without `minibatch`, or with it and a latent site inside
        or a discrete site to enumerate.

    Notes
    -----
    Source: "Follow Hamiltonian Leader: An Efficient Energy-Guided Sampling Method", Algorithms 1
    and 2. The mathematics is in docs/algorithm.md, the code for it in `fhl_ppl.core`.

    Examples
    --------
    >>> import torch
    >>> import pyro.distributions as dist
    >>> from pyro.infer import MCMC
    >>> def model(y):
    ...     mu = pyro.sample("mu", dist.Normal(0.0, 10.0))
    ...     with pyro.plate("data", len(y)):
    ...         pyro.sample("y", dist.Normal(mu, 1.0), obs=y)
    >>> pyro.set_rng_seed(0)
    >>> mcmc = MCMC(FHL(model), num_samples=500, warmup_steps=200, disable_progbar=True)
    >>> mcmc.run(torch.tensor([1.0, 2.0, 3.0]))
    >>> round(mcmc.get_samples()["mu"].mean().item(), 0)
    2.0
    """

    def __init__(
        self,
        model: Callable[..., Any] | None = None,
        potential_fn: Callable[[dict[str, Tensor]], Tensor] | None = None,
        *,
        gradient_fn: Callable[[dict[str, Tensor]], Mapping[str, Tensor]] | None = None,
        noisy_gradient: bool = False,
        minibatch: bool = False,
        anchor: Mapping[str, Tensor] | None = None,
        group_size: int = 4,
        coupling: str = "alternate",
        adjusted: bool = True,
        pulling_strength: float | None = None,
        step_size: float | None = 1.0,
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
        search: bool | int = True,
        dense_mass: bool | str | Sequence[tuple[str, ...]] | None = None,
        temperatures: int | None = None,
        reference_fn: Callable[[dict[str, Tensor]], Tensor] | None = None,
        full_mass: bool | str | Sequence[tuple[str, ...]] | None = None,
        init_strategy: Callable[..., Any] = init_to_uniform,
        transforms: Mapping[str, Any] | None = None,
        max_plate_nesting: int | None = None,
        jit_compile: bool = False,
        jit_options: dict[str, Any] | None = None,
        ignore_jit_warnings: bool = False,
        min_stepsize: float = 1e-10,
        max_stepsize: float = 1e10,
        keep_companions: bool = False,
        max_tree_depth: int | None = None,
        use_multinomial_sampling: bool = True,
    ) -> None:
        chosen = {name: as_number(value) for name, value in only_options(locals()).items()}
        if chosen["step_size"] is None:
            # As NUTS has it, where it means the default too.
            del chosen["step_size"]
        super().__init__()
        check_target(model, potential_fn, gradient_fn, noisy_gradient, minibatch, anchor)
        check_reference(
            temperatures,
            reference_fn,
            model is not None,
            minibatch,
            "lambda sites: sum(((x / 10) ** 2).sum() for x in sites.values()) / 2",
        )
        if dense_mass is not None and full_mass is not None:
            raise ValueError(
                f"dense_mass={dense_mass!r} and full_mass={full_mass!r} are two names of one "
                "setting; give one of them"
            )
        min_stepsize, max_stepsize = as_number(min_stepsize), as_number(max_stepsize)
        check_kernel_arguments(
            *(init_strategy, transforms, max_plate_nesting),
            *(jit_options, min_stepsize, max_stepsize, max_tree_depth),
            jit_compile=jit_compile,
            ignore_jit_warnings=ignore_jit_warnings,
            keep_companions=keep_companions,
            use_multinomial_sampling=use_multinomial_sampling,
        )
        if full_mass is not None:
            blocks("full_mass", full_mass)
            chosen["dense_mass"] = full_mass
        if max_tree_depth is not None:
            _warn_ignored("max_tree_depth", "; max_num_steps caps a trajectory")
        if not use_multinomial_sampling:
            _warn_ignored("use_multinomial_sampling", "")
        self._options = Options(
            **chosen, trusts_gradient=gradient_fn is None, noisy_gradient=noisy_gradient
        )
        self._source = Source(
            model,
            potential_fn,
            minibatch=minibatch,
            anchor=anchor,
            reference_fn=reference_fn,
            transforms=transforms,
            max_plate_nesting=max_plate_nesting,
            init_strategy=init_strategy,
            differentiable=self._options.trusts_gradient,
            temperatures=self._options.temperatures or 1,
        )
        # Pyro's MCMC reads what `setup` puts here.
        self.transforms: dict[str, Any] | None = None
        self._inverse_mass_matrix = inverse_mass_matrix
        self._step_size_bounds: dict[str, Any] = {
            "min_step_size": min_stepsize,
            "max_step_size": max_stepsize,
        }
        self._compilation: dict[str, Any] = {"jit_compile": jit_compile, "jit_options": jit_options}
        self._evaluation: dict[str, Any] = {
            "gradient_fn": gradient_fn,
            "noisy_gradient": noisy_gradient,
            **self._compilation,
        }
        self._keep_companions = keep_companions
        self._process = os.getpid()
        self._forget()

    def _forget(self) -> None:
        self._initial_params: Mapping[str, Tensor] | None = None
        self._problem: Problem | None = None
        self._minibatch: Minibatch | None = None
        self._chains: Chains | None = None
        self._num_warmup = 0

    def __getstate__(self) -> dict[str, Any]:
        # To other processes goes what was asked for; what a run found out cannot be pickled.
        kernel = object.__new__(type(self))
        kernel.__dict__.update(self.__dict__)
        kernel._forget()
        return {**kernel.__dict__, "_initial_params": self._initial_params}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _process=os.getpid())

    @property
    def options(self) -> Options:
        """The checked settings that do not depend on the backend."""
        return self._options

    @property
    def model(self) -> Callable[..., Any] | None:
        """The Pyro model, all rows of it; None if a potential was given."""
        return self._source.model

    @property
    def draws_minibatches(self) -> bool:
        """Whether its force is that of some rows of the data."""
        return self._source.draws_minibatches

    @property
    def initial_params(self) -> Mapping[str, Tensor] | None:
        """The first particle's unconstrained sites, or those that were set for the next run."""
        if self._problem is None:
            return self._initial_params
        return self._problem.layout.unflatten(self._problem.position[0].clone())

    @initial_params.setter
    def initial_params(self, params: Mapping[str, Tensor] | None) -> None:
        # The companions will start at the same place, which is known to be a valid one.
        self._problem = None
        self._initial_params = params

    def setup(self, warmup_steps: int, *args: Any, **kwargs: Any) -> None:
        """Find a start; called by ``pyro.infer.MCMC``, also for nothing but `transforms`."""
        if os.getpid() != self._process:
            # In a forked process OpenMP waits for ever for threads that only its parent has.
            torch.set_num_threads(1)
        given = self._initial_params
        if given is not None and self.model is None:
            given = expanded(given, self._options.group_size)
        self.prepare(self._options.group_size, warmup_steps, args, kwargs, given)

    def prepare(
        self,
        num_particles: int,
        warmup_steps: int,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        initial_params: Mapping[str, Tensor] | None,
    ) -> Problem:
        """Find a start for each of `num_particles` particles.

        Nothing is recorded or compiled before `chains` or `sample` is called.
        """
        self._chains = None
        self._num_warmup = warmup_steps
        self._problem, self._minibatch = self._source.prepare(
            num_particles, args, kwargs, initial_params
        )
        self.transforms = self._problem.transforms
        return self._problem

    def chains(self, num_reported: int = 1, room: int = 256) -> Chains:
        """Set the prepared particles up to move, the first `num_reported` of them as chains.

        There is `room` for so many draws at the start; more is made when it is needed.
        """
        problem = self._problem
        if problem is None:
            raise RuntimeError("setup must be called before sample")
        num_particles = len(problem.position)
        if num_particles > num_reported and not self._keep_companions:
            say_what_they_cost(num_particles)
        engine = make_engine(
            problem,
            self._minibatch,
            self._reference(problem),
            self._options,
            self._inverse_mass_matrix,
            self._num_warmup,
            self._step_size_bounds,
            self._evaluation,
        )
        self._chains = Chains(problem, engine, num_reported, self._keep_companions, room)
        return self._chains

    def _reference(self, problem: Problem) -> BatchedPotential | None:
        if problem.reference_fn is None:
            return None
        return BatchedPotential(
            problem.reference_fn, problem.layout, origin=self._source.end, **self._compilation
        )

    def sample(self, params: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run one iteration and return the first particle's sites.

        Parameters
        ----------
        params : mapping of str to Tensor
            What the last call returned. The companions and what is learnt have to stay in step, so
            the position cannot be changed from outside.
        """
        with pyro.validation_enabled(False):
            chains = self.chains() if self._chains is None else self._chains
            chains.advance()
        return chains.problem.layout.unflatten(chains.position[0].clone())

    def logging(self) -> dict[str, str]:
        """Return step size, acceptance and pull for the progress bar."""
        return {} if self._chains is None else self._chains.logging()

    def diagnostics(self) -> dict[str, Any]:
        """Return the statistics of the sampling phase, of the chain's first particle.

        Returns
        -------
        dict
            Of `fhl_ppl.pyro.MCMC.diagnostics` all but what is by site, for this one chain: arrays
            are [draw], and "divergences" and "acceptance rate" as from Pyro's own kernels.
        """
        if self._chains is None:
            return {}
        statistics = {name: value[0] for name, value in self._chains.statistics().items()}
        result: dict[str, Any] = {
            "divergences": np.flatnonzero(statistics.get("diverging", [])).tolist(),
            "acceptance rate": float(self._chains.acceptance_rate()[0]),
            **self._chains.told(),
            **statistics,
        }
        companions = self._chains.companions()
        if companions is not None:
            result["companions"] = companions
        return result

    def cleanup(self) -> None:
        """Let go of the particles; the settings and `transforms` stay for the next run."""
        self._forget()


def _warn_ignored(name: str, instead: str) -> None:
    warnings.warn(f"{name} has no meaning for FHL and is ignored{instead}", stacklevel=3)
