"""The prior of a model: whether it is one, and its potential, where temperatures end."""

from collections.abc import Callable, Mapping
from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.distributions import ExpandedDistribution, ImproperUniform, Independent
from pyro.distributions.torch_distribution import MaskedDistribution
from pyro.infer.mcmc.util import initialize_model
from torch import Tensor

from fhl_ppl.arguments import refuse_improper
from fhl_ppl.pyro.model.layout import SiteLayout
from fhl_ppl.pyro.model.one_particle import PotentialFn, energy
from fhl_ppl.pyro.model.problem import Problem
from fhl_ppl.pyro.model.starts import tried

PRIOR, REFERENCE = "the prior", "reference_fn"
"""What messages call the end of the path."""


def with_reference(
    problem: Problem,
    reference_fn: PotentialFn | None,
    model: Callable[..., Any] | None,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    max_plate_nesting: int | None,
) -> Problem:
    """Have temperatures end at `reference_fn`, or if that is None at the prior of the model.

    Raises
    ------
    ValueError
        If the one is no number at the first start, or the other cannot be normalised.
    """
    if reference_fn is not None:
        check_reference_fn(reference_fn, problem.layout, problem.position[0])
        return problem._replace(reference_fn=reference_fn)
    assert model is not None, "A potential without a reference has been refused."
    check_prior(problem.trace, list(problem.layout.shapes))
    prior = prior_potential(model, args, kwargs, problem.transforms, max_plate_nesting)
    return problem._replace(reference_fn=prior)


def prior_potential(
    model: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    transforms: dict[str, Any],
    max_plate_nesting: int | None,
) -> PotentialFn:
    """Energy of the latent sites alone, with the Jacobians of `transforms`.

    Discrete ones are summed out. Factors are observed sites to Pyro, and left out with these.
    """
    alone = poutine.block(model, hide_fn=_is_observed)
    with pyro.validation_enabled(False):
        _, potential_fn, _, _ = tried(
            lambda: initialize_model(
                alone, args, dict(kwargs), transforms, max_plate_nesting, initial_params={}
            )
        )
    return potential_fn


def check_prior(trace: Any, sites: list[str]) -> None:
    """Insist on a prior of the latent `sites` of a model's `trace` that can be normalised.

    Raises
    ------
    ValueError
        Naming the others.
    """
    refuse_improper([name for name in sites if is_improper(trace.nodes[name])])


def check_reference_fn(reference_fn: PotentialFn, layout: SiteLayout, position: Tensor) -> None:
    """Insist on a reference that is a number at a start [D].

    Raises
    ------
    ValueError
        If it is none, or not finite.
    """
    (value,) = energy(reference_fn, layout, REFERENCE).plain(position.clone())
    if not torch.isfinite(value):
        raise ValueError(
            f"reference_fn must be finite where particles start, got {value.item()} at "
            f"{layout.unflatten(position)}; give the energy of a density that covers all that may "
            "have mass"
        )


def is_improper(site: dict[str, Any]) -> bool:
    """Whether the prior of a site has no normaliser."""
    if not _all(site["mask"]):
        return True
    prior = site["fn"]
    while isinstance(prior, ExpandedDistribution | Independent | MaskedDistribution):
        if isinstance(prior, MaskedDistribution) and not _all(prior._mask):
            return True
        prior = prior.base_dist
    return isinstance(prior, ImproperUniform)


def _all(mask: bool | Tensor | None) -> bool:
    return mask is None or bool(torch.as_tensor(mask).all())


def _is_observed(site: dict[str, Any]) -> bool:
    return site["type"] == "sample" and bool(site["is_observed"])
