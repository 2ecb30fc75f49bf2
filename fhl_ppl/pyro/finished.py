"""Insist that a `pyro.infer.MCMC`, or one of ours, has draws."""

from typing import Any

from fhl_ppl.diagnostics.no_draws import NO_LATENT_SITES, NONE_WANTED, NOT_KEPT, NOT_RUN


def check_finished(mcmc: Any) -> None:
    """Look at its draws; not all of what is looked at does Pyro's own class have.

    Raises
    ------
    ValueError
        If it has none, saying why.
    """
    draws = getattr(mcmc, "_samples", None)
    if draws:
        if not next(iter(draws.values())).shape[1]:
            raise ValueError(NONE_WANTED)
        return
    if getattr(mcmc, "_had_nothing", False):
        raise ValueError(NO_LATENT_SITES)
    raise ValueError(NOT_RUN if getattr(mcmc, "_chains", None) is None else NOT_KEPT)
