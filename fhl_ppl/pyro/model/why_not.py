"""Say in the words of the model's author, by site, why a model cannot be sampled."""

import traceback
from collections.abc import Callable, Mapping
from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.poutine.subsample_messenger import _Subsample

from fhl_ppl.pyro.model.one_particle import Sites, is_rejection
from fhl_ppl.pyro.model.users_code import LIBRARIES


def latent_sites(trace: Any) -> dict[str, Any]:
    """Return the continuous latent sites of a trace, those that are sampled."""
    return {
        name: site
        for name, site in trace.iter_stochastic_nodes()
        if not isinstance(site["fn"], _Subsample) and not site["fn"].has_enumerate_support
    }


def refuse_unsupported(trace: Any) -> None:
    """Refuse a model, by a trace without enumeration, whose energy cannot be computed exactly.

    Raises
    ------
    NotImplementedError
        If a plate is subsampled, or a discrete latent site cannot be enumerated.
    """
    for name, site in trace.iter_stochastic_nodes():
        fn = site["fn"]
        if isinstance(fn, _Subsample):
            if fn.subsample_size is not None and fn.subsample_size < fn.size:
                raise NotImplementedError(
                    f"plate {name!r} draws {fn.subsample_size} of {fn.size} at random in every "
                    "run, so the energy would be random and the samples wrong; set minibatch=True, "
                    "which takes the gradient from the subsample and the energy from all data, or "
                    "leave subsample_size out of the model"
                )
        elif fn.support.is_discrete and not fn.has_enumerate_support:
            raise NotImplementedError(
                f"site {name!r} is discrete ({type(fn).__name__}) and has infinite support, so it "
                "can be neither enumerated nor moved along a gradient; observe it or sum it out"
            )


class WhyNot:
    """Finds the sites that are to blame for a non-finite potential or gradient.

    Takes the model with its arguments, and by site the transforms to the unconstrained space.
    """

    def __init__(
        self,
        model: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        transforms: Mapping[str, Any],
    ) -> None:
        self._run = lambda values: poutine.trace(poutine.condition(model, values)).get_trace(
            *args, **kwargs
        )
        self._transforms = transforms

    def __call__(self, sites: Sites) -> str:
        """Return what is wrong with one particle's unconstrained sites, in words."""
        values = {name: self._transforms[name].inv(value) for name, value in sites.items()}
        unconstrained = {k: v.detach().clone().requires_grad_(True) for k, v in sites.items()}
        try:
            trace = self._run(values)
        except Exception as error:
            if not is_rejection(error):
                raise
            return f"running the model raised {type(error).__name__}: {_first_line(error)}"
        faults = []
        for name, site in trace.nodes.items():
            if site["type"] == "sample" and not isinstance(site["fn"], _Subsample):
                fault = _fault(site)
                if fault:
                    kind = "latent" if name in sites else "observed"
                    faults.append(f"{kind} site {name!r} {fault}")
        if faults:
            return "; ".join(faults)
        return self._gradient_fault(unconstrained)

    def _gradient_fault(self, sites: Sites) -> str:
        values = {name: self._transforms[name].inv(value) for name, value in sites.items()}
        total = self._run(values).log_prob_sum()
        if not total.requires_grad:
            return "the log densities of all sites are finite, and nothing depends on the sites"
        gradients = torch.autograd.grad(total, list(sites.values()), allow_unused=True)
        infinite = [
            name
            for name, gradient in zip(sites, gradients, strict=True)
            if gradient is not None and not torch.isfinite(gradient).all()
        ]
        if infinite:
            return f"the gradient is not finite at site(s) {infinite}"
        return f"no single site is to blame; unconstrained values {sites}"


def _fault(site: Any) -> str:
    try:
        # Validation says more than the -inf that a value outside the support gets.
        with pyro.validation_enabled(True):
            log_prob = site["fn"].log_prob(site["value"])
    except Exception as error:
        if not is_rejection(error):
            raise
        return f"is refused with {_first_line(error)}"
    if torch.isfinite(log_prob).all():
        return ""
    return f"has a log density of {log_prob[~torch.isfinite(log_prob)][0].item()}"


def explain_failure(error: Exception) -> str:
    """Say why a model could not be batched, and where in the user's code."""
    message = _first_line(error)
    if message.startswith("data-dependent"):
        pass  # In our words already.
    elif "data-dependent" in message or ".item()" in message:
        message = (
            "data-dependent control flow, such as `if`, float() or .item() on a parameter; "
            "torch.where can be batched"
        )
    elif len(message) > 300:
        message = message[:297] + "..."
    where = [
        f" ({frame.filename}, line {frame.lineno})"
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(LIBRARIES)
    ]
    return f"failed with {type(error).__name__}: {message}{where[-1] if where else ''}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
