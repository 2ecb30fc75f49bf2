"""The prior of a model: whether it is one, and its potential, where temperatures end."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jax import random
from numpyro import handlers
from numpyro.distributions import (
    Distribution,
    ExpandedDistribution,
    ImproperUniform,
    Independent,
    MaskedDistribution,
)
from numpyro.infer import init_to_sample
from numpyro.infer.util import potential_energy

from fhl_ppl.arguments import refuse_improper

Array = Any


def prior_potential(
    model: Callable[..., Any] | None, args: Any, kwargs: Any
) -> Callable[[Any], Array]:
    """Energy of the latent sites alone, with the Jacobians of their constraints.

    Factors are observed sites to NumPyro, and left out with these. So are the Jacobians, which it
    adds as factors of its own: they stay, as a trace of the model does not have them.
    """
    observed = [name for name, site in _trace(model, args, kwargs).items() if _is_observed(site)]
    prior = handlers.block(handlers.seed(model, random.key(0)), hide=observed)
    return lambda z: potential_energy(prior, args, kwargs, z)


def improper(model: Any, sites: Any, args: Any, kwargs: Any) -> list[str]:
    """Latent sites whose prior has no normaliser."""
    trace = _trace(model, args, kwargs)
    return [name for name in sites if name in trace and _is_improper(trace[name]["fn"])]


def check_prior(model: Any, sites: Any, args: Any, kwargs: Any) -> None:
    """Insist on a prior of the latent `sites` that can be normalised.

    Raises
    ------
    ValueError
        Naming the sites.
    """
    refuse_improper(improper(model, sites, args, kwargs))
    summed = [name for name, site in _trace(model, args, kwargs).items() if _is_summed_out(site)]
    if summed:
        raise ValueError(
            f"temperatures lead to the prior, in which {', '.join(map(repr, summed))} would have "
            "to be summed out. Write the sum into the likelihood (numpyro.distributions."
            "MixtureSameFamily), or give as reference_fn the energy of a proper density."
        )


def _trace(model: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    seeded = handlers.substitute(handlers.seed(model, random.key(0)), substitute_fn=init_to_sample)
    trace: dict[str, Any] = handlers.trace(seeded).get_trace(*args, **kwargs)
    return trace


def _is_observed(site: dict[str, Any]) -> bool:
    return site["type"] == "sample" and bool(site["is_observed"])


def _is_summed_out(site: dict[str, Any]) -> bool:
    is_latent = site["type"] == "sample" and not site["is_observed"]
    return is_latent and bool(site["fn"].support.is_discrete)


def _is_improper(prior: Distribution) -> bool:
    while isinstance(prior, ExpandedDistribution | Independent):
        prior = prior.base_dist
    if isinstance(prior, MaskedDistribution):
        mask = prior._mask
        return not np.all(mask) or _is_improper(prior.base_dist)
    return isinstance(prior, ImproperUniform)
