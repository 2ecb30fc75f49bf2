"""From a Pyro model, or a potential, to what a sampler needs to start."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import pyro
from pyro import poutine
from pyro.infer.autoguide.initialization import InitMessenger, init_to_uniform
from pyro.infer.mcmc.util import initialize_model
from pyro.poutine.subsample_messenger import _Subsample
from torch import Tensor
from torch.distributions import biject_to

from fhl_ppl.pyro.checks import check_transforms
from fhl_ppl.pyro.model.layout import SiteLayout, as_real
from fhl_ppl.pyro.model.one_particle import PotentialFn, Sites, energy, energy_and_gradient
from fhl_ppl.pyro.model.starts import found_starts, given_starts, radius_of, tried
from fhl_ppl.pyro.model.why_not import WhyNot, latent_sites, refuse_unsupported


class _ContinuousInit(InitMessenger):
    """Draws discrete sites, which will be enumerated, from their prior."""

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if isinstance(msg["fn"], _Subsample) or msg["value"] is not None:
            return
        if not msg["fn"].support.is_discrete:
            super()._pyro_sample(msg)


class Problem(NamedTuple):
    """What a sampler needs to know of a model.

    Attributes
    ----------
    potential_fn : callable
        Maps the dict of one particle's unconstrained sites to the negative log density.
    layout : SiteLayout
    transforms : dict
        For each site the transform from its support to the unconstrained space, as in
        ``pyro.infer.mcmc.util.initialize_model``.
    position : Tensor [N, D]
        Starting positions, all of finite potential.
    trace : pyro.poutine.Trace or None
        An execution of the model; None if a potential was given.
    reference_fn : callable or None
        What temperatures end at, as `potential_fn`; None without.
    start_radius : float or None
        Within what of 0 particles start; None if somebody asked for certain starts.
    """

    potential_fn: PotentialFn
    layout: SiteLayout
    transforms: dict[str, Any]
    position: Tensor
    trace: Any
    reference_fn: PotentialFn | None = None
    start_radius: float | None = None


def problem_from_model(
    model: Callable[..., Any],
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    num_particles: int,
    transforms: Mapping[str, Any] | None = None,
    max_plate_nesting: int | None = None,
    init_strategy: Callable[..., Any] = init_to_uniform,
    initial_params: Mapping[str, Tensor] | None = None,
    differentiable: bool = True,
) -> Problem:
    """Set up a Pyro model.

    Parameters
    ----------
    model, args, kwargs
        Discrete latent sites are enumerated.
    num_particles
        N. Every particle gets a start of its own.
    transforms, max_plate_nesting, init_strategy
        As in `fhl_ppl.pyro.FHL`.
    initial_params
        Unconstrained starting values instead: ``[N, *site shape]``, or ``[*site shape]`` to start
        all particles at the same place.
    differentiable
        Whether a start needs a finite gradient too. False if the gradient is not used.

    Raises
    ------
    NotImplementedError
        If a plate is subsampled, or a discrete latent site cannot be enumerated.
    ValueError
        If there is nothing to sample, if no start of finite potential is found (naming the sites
        that are to blame), or if `initial_params` or `transforms` does not fit the model.

    Examples
    --------
    >>> import torch
    >>> import pyro.distributions as dist
    >>> def model():
    ...     scale = pyro.sample("scale", dist.HalfNormal(torch.tensor(1.0)))
    ...     pyro.sample("x", dist.Normal(torch.zeros(2), scale).to_event(1))
    >>> problem = problem_from_model(model, num_particles=4)
    >>> problem.position.shape, problem.layout.shapes
    (torch.Size([4, 3]), {'scale': torch.Size([]), 'x': torch.Size([2])})
    """
    kwargs = dict(kwargs or {})
    # Validation is off as in pyro.infer.MCMC: a draw that breaks a constraint is a draw to pass
    # over, whereas validation would end the search.
    with pyro.validation_enabled(False):
        run = partial(
            poutine.trace(_ContinuousInit(init_strategy)(model)).get_trace, *args, **kwargs
        )
        first = tried(run)
        refuse_unsupported(first)
        sites = latent_sites(first)
        chosen = dict(transforms or {})
        _check_transforms(chosen, sites)
        for name, site in sites.items():
            if name not in chosen:
                chosen[name] = biject_to(site["fn"].support).inv
        # Being given (empty) initial_params, Pyro leaves the search for starts to us.
        _, potential_fn, _, trace = tried(
            partial(
                initialize_model,
                *(model, args, kwargs, chosen, max_plate_nesting),
                init_strategy=init_strategy,
                initial_params={},
            )
        )

        def unconstrained(trace: Any) -> Sites:
            missing = sites.keys() - trace.nodes.keys()
            if missing:
                raise ValueError(
                    f"the model must have the same latent sites in every run, got one without "
                    f"{sorted(missing)}; which sites there are must not depend on other sites"
                )
            values = {name: trace.nodes[name]["value"].detach() for name in sites}
            return {name: chosen[name](value) for name, value in values.items()}

        layout = SiteLayout(unconstrained(first))
        quantity = (energy_and_gradient if differentiable else energy)(potential_fn, layout)
        why_not = WhyNot(model, args, kwargs, chosen)
        if initial_params is None:
            position = found_starts(
                quantity, layout, num_particles, lambda: unconstrained(run()), why_not
            )
        else:
            position = given_starts(quantity, layout, num_particles, initial_params, why_not)
    radius = radius_of(init_strategy) if initial_params is None else None
    return Problem(potential_fn, layout, chosen, position, trace, start_radius=radius)


def problem_from_potential(
    potential_fn: PotentialFn,
    initial_params: Mapping[str, Tensor],
    *,
    num_particles: int,
    transforms: Mapping[str, Any] | None = None,
    differentiable: bool = True,
) -> Problem:
    """Set up a potential without a model.

    Parameters
    ----------
    potential_fn, num_particles, differentiable
        As for `problem_from_model`; the potential is a scalar tensor.
    initial_params
        Unconstrained starting values of every particle, ``[N, *site shape]``.
    transforms
        For the sites that are to be reported in another space. Not applied here.

    Raises
    ------
    ValueError
        If a site lacks the leading axis of N particles, or a start has no finite potential.
    """
    starts = {
        name: as_real(f"initial_params[{name!r}]", value) for name, value in initial_params.items()
    }
    for name, value in starts.items():
        if value.dim() == 0 or len(value) != num_particles:
            raise ValueError(
                f"initial_params[{name!r}] must have {num_particles} particles as its first axis, "
                f"got shape {tuple(value.shape)}; for a common start, expand it: "
                f"value.expand({num_particles}, *value.shape)"
            )
    layout = SiteLayout({name: value[0] for name, value in starts.items()})
    _check_transforms(transforms or {}, layout.shapes)
    quantity = (energy_and_gradient if differentiable else energy)(potential_fn, layout)
    position = given_starts(quantity, layout, num_particles, starts, None)
    return Problem(potential_fn, layout, dict(transforms or {}), position, None)


def _check_transforms(transforms: Mapping[str, Any], sites: Mapping[str, Any]) -> None:
    if not transforms.keys() <= sites.keys():
        raise ValueError(
            f"transforms must be for sites of {list(sites)}, got {list(transforms)}; leave out "
            "those of observed, enumerated and unknown sites"
        )
    check_transforms(transforms)
