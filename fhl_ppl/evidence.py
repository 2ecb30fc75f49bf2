"""The evidence of a finished run, for the comparison of models."""

import warnings
from typing import TYPE_CHECKING, Any

from fhl_ppl._backend import backend_of
from fhl_ppl._extras import require
from fhl_ppl.results import to_arviz

if TYPE_CHECKING:
    from fhl_ppl.diagnostics.against_evidence import Evidence
    from fhl_ppl.diagnostics.density import Density


def log_evidence(mcmc: Any, *, num_proposals: int = 2000, seed: int = 0) -> "Evidence":
    """Estimate log Z, the logarithm of the integral of prior times likelihood.

    It comes from the draws of the run, by bridge sampling (Meng and Wong 1996): Gaussians are
    fitted to one half of the draws and compared with the other half, and the other way round
    (docs/algorithm.md, section 12). It takes some `3 * num_proposals` energies and no
    gradient.

    A run with `temperatures` has a second way to it, stepping stones from its reference, which has
    to be normalised, as the prior of a model is (section 13): both are told, `value` is the one
    with the smaller error, and a difference is warned of.

    What is told is the logarithm of the integral of exp(-U) over the unconstrained space, U with
    the Jacobians of the constraints. With a model whose priors and likelihoods are normalised that
    is the evidence. A term of `numpyro.factor`, `pyro.factor` or a `scale` handler counts as it
    stands: what it leaves out, such as a constant, is left out of the result, and two models are
    comparable only if they leave out the same. So does a `potential_fn`, of whatever it is of.

    Parameters
    ----------
    mcmc
        A finished `MCMC` of NumPyro or Pyro with the kernel `FHL`, which has kept the draws of all
        latent sites.
    num_proposals
        Draws from either of the two fits. Default: 2000, as many as a half of 4 chains of 1000
        draws has; with fewer their noise would lead.
    seed
        Of these draws.

    Returns
    -------
    Evidence
        With `value`, its standard `error`, and `warnings`, a tuple of what speaks against it, which
        is empty if nothing does. `by_bridge` and, with temperatures, `by_stones` are value and
        error by either way; `overlap`, `k_hat`, `r_hat` and `ess` say what the warnings go by.

    Warns
    -----
    UserWarning
        Each of `warnings`: if there is a place with a density that the draws do not explain, as
        that of a mode that no chain found; if the fits and the posterior hardly overlap, or their
        tails differ besides; if chains, or the two halves of the run, do not agree; if the weight
        of a mode is another by its density than by the draws; or if warm-up saw a mode that no draw
        is in. With temperatures: if no replica made a round trip, if two neighbours have hardly
        anything in common, or if the two ways disagree.

    Raises
    ------
    ImportError
        If ArviZ is not installed.
    TypeError
        If `mcmc` is no MCMC object of NumPyro or Pyro.
    ValueError
        If there is no evidence, because a prior is improper; if the run is unadjusted or its force
        random (minibatches, noisy gradients), is of another kernel than `FHL`, has kept no draws of
        some site or fewer than 8 a chain; or if the model does not give the energies that the run
        has, as with other data.

    Examples
    --------
    For which of two models is the evidence larger, and by how much::

        one, other = log_evidence(mcmc_of_one), log_evidence(mcmc_of_other)
        one.value - other.value, (one.error**2 + other.error**2) ** 0.5
    """
    require("arviz", "arviz")
    if num_proposals < 100:
        raise ValueError(f"num_proposals must be at least 100, got {num_proposals}.")
    from fhl_ppl.diagnostics.annotate import group_of_chains
    from fhl_ppl.diagnostics.arviz_lines import datasets
    from fhl_ppl.diagnostics.evidence import estimate
    from fhl_ppl.diagnostics.known_modes import lost_modes
    from fhl_ppl.diagnostics.stones import by_stones

    density = _density(mcmc)
    groups = datasets(to_arviz(mcmc, log_likelihood=False))
    statistics = groups["sample_stats"].transpose("chain", "draw", ...)
    group = group_of_chains(groups["posterior"])
    assert group is not None, "The kernel is FHL."
    found = estimate(
        density,
        -statistics["lp"].values.astype(float),
        statistics["mode"].values,
        group,
        num_proposals,
        seed,
        tuple(filter(None, [lost_modes(statistics)])),
        by_stones(statistics, group),
    )
    for sentence in found.warnings:
        warnings.warn(sentence, UserWarning, stacklevel=2)
    return found


def _density(mcmc: Any) -> "Density":
    """Hand over to the half of the package that `mcmc` comes from."""
    if backend_of(mcmc) == "numpyro":
        from fhl_ppl.numpyro.density import density as from_numpyro

        return from_numpyro(mcmc)
    from fhl_ppl.pyro.density import density as from_pyro

    return from_pyro(mcmc)
