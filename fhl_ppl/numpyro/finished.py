"""Insist that a `numpyro.infer.MCMC` has draws, where NumPyro has an assertion, or zeros."""

import jax
import numpy as np
from numpyro.infer import MCMC

from fhl_ppl.diagnostics.no_draws import NOT_KEPT, NOT_RUN, ONLY_WARMED_UP
from fhl_ppl.numpyro.devices import of_this_process


def finished(mcmc: MCMC) -> MCMC:
    """A run, with the draws of this process's chains.

    Raises
    ------
    ValueError
        If it has none.
    """
    if mcmc.last_state is None:
        raise ValueError(NOT_RUN)
    if mcmc._states is None:
        raise ValueError(NOT_KEPT)
    # There `warmup` leaves zeros, where it was not told to collect.
    may_be_warm_up = mcmc.post_warmup_state is mcmc.last_state
    mcmc = of_this_process(mcmc)
    draws = jax.tree.leaves(mcmc.get_samples(group_by_chain=True))
    if may_be_warm_up and not any(map(np.any, draws)):
        raise ValueError(ONLY_WARMED_UP)
    return mcmc
