"""Read a finished run of `numpyro.infer.MCMC` for `fhl_ppl.to_arviz`."""

from collections.abc import Mapping
from typing import Any

import arviz
import jax
import numpy as np
from jax import random
from numpyro import handlers
from numpyro.distributions import Unit
from numpyro.infer import MCMC, Predictive, init_to_sample

from fhl_ppl.core.learners.learner import Learnt
from fhl_ppl.core.report import report
from fhl_ppl.core.sampler import make_sampler
from fhl_ppl.diagnostics.dims import check_dims
from fhl_ppl.diagnostics.run import Run, describe, names_of, tempering
from fhl_ppl.numpyro.companions import with_companions
from fhl_ppl.numpyro.finished import finished
from fhl_ppl.numpyro.kernel import FHL

Array = Any


def extract(
    mcmc: MCMC,
    *,
    log_likelihood: bool | None,
    posterior_predictive: bool | Mapping[str, Array] | None,
    prior: Mapping[str, Array] | None,
    coords: Mapping[str, Any] | None,
    dims: Mapping[str, Any] | None,
) -> Run:
    """Convert a run by `arviz.from_numpyro`, and read the groups and settings of `FHL`.

    Arguments as of `to_arviz`.

    Raises
    ------
    ValueError
        If `mcmc` has no draws, or lacks what `log_likelihood` or `posterior_predictive` need, or if
        `dims` has too many names.
    """
    mcmc = finished(mcmc)
    for values in jax.tree.leaves(mcmc.get_samples(group_by_chain=True)):
        if len(values) != mcmc.num_chains:
            raise ValueError(
                f"the draws are of {len(values)} chains, mcmc was made for {mcmc.num_chains}: run "
                "got as many keys, or went on from a state of as many. Give it one key, or one for "
                "each chain."
            )
    if log_likelihood or posterior_predictive is True:
        _refuse_missing_latents(mcmc)
    if dims:
        check_dims(dims, _ranks(mcmc))
    everyone = with_companions(mcmc)
    data = arviz.from_numpyro(
        everyone,
        prior=prior,
        posterior_predictive=predict(everyone)
        if posterior_predictive is True
        else posterior_predictive,
        coords=coords,
        dims=dims,
        **_asked_likelihood(mcmc, log_likelihood),
    )
    if not isinstance(mcmc.sampler, FHL):
        return Run(data, None, {})
    return Run(data, _group(mcmc, everyone), settings_of_run(mcmc, mcmc.sampler))


def predict(mcmc: MCMC) -> dict[str, Array]:
    """Draw every observed site again for every draw, arrays [chain, draw, ...].

    The key is fixed, so that converting twice gives the same.
    """
    observed = [name for name, site in _sites(mcmc).items() if site["is_observed"]]
    if not observed:
        raise ValueError(
            "posterior_predictive=True needs a model with observed sites; this run has none."
        )
    predictive = Predictive(
        _Redraw(mcmc.sampler.model),
        mcmc.get_samples(group_by_chain=True),
        return_sites=observed,
        batch_ndims=2,
    )
    drawn: dict[str, Array] = predictive(random.key(0), *mcmc._args, **mcmc._kwargs)
    return drawn


class _Redraw(handlers.uncondition):
    """Draw observed sites again, each in the shape of its observations.

    Without a plate the distribution may have less: it stands for each of the observations alike.
    """

    def process_message(self, msg: dict[str, Any]) -> None:
        if msg["type"] == "sample" and msg["is_observed"]:
            shape = np.shape(msg["value"])
            batch_shape = shape[: len(shape) - msg["fn"].event_dim]
            if batch_shape != msg["fn"].batch_shape:
                msg["fn"] = msg["fn"].expand(
                    np.broadcast_shapes(batch_shape, msg["fn"].batch_shape)
                )
        super().process_message(msg)


def _sites(mcmc: MCMC) -> dict[str, Any]:
    """Sample sites of the model; none without a model."""
    model = mcmc.sampler.model
    if model is None:
        return {}
    # init_to_sample also finds a value for a site without a density to draw from.
    seeded = handlers.substitute(handlers.seed(model, random.key(0)), substitute_fn=init_to_sample)
    trace = handlers.trace(seeded).get_trace(*mcmc._args, **mcmc._kwargs)
    # Unit is the distribution of numpyro.factor, which observes nothing.
    return {
        name: site
        for name, site in trace.items()
        if site["type"] == "sample" and not isinstance(site["fn"], Unit)
    }


def _ranks(mcmc: MCMC) -> dict[str, int]:
    """How many dimensions a value of each site has."""
    observed = {name: site for name, site in _sites(mcmc).items() if site["is_observed"]}
    ranks = {name: np.ndim(site["value"]) for name, site in observed.items()}
    samples = mcmc.get_samples()
    # A potential function may be of an array, which ArviZ gives a name of its own.
    if isinstance(samples, dict):
        ranks |= {name: values.ndim - 1 for name, values in samples.items()}
    return ranks


def _asked_likelihood(mcmc: MCMC, wanted: bool | None) -> dict[str, bool]:
    """What to tell ArviZ; nothing leaves it to ArviZ."""
    if wanted is not None:
        return {"log_likelihood": wanted}
    # ArviZ takes what it finds for the draws of the run, also a warm-up of another length.
    draws = mcmc.last_state is None or _num_draws(mcmc) != mcmc.num_samples // mcmc.thinning
    return {"log_likelihood": False} if draws or _missing_latents(mcmc) else {}


def _num_draws(mcmc: MCMC) -> int:
    """Draws of each chain that are there."""
    samples = jax.tree.leaves(mcmc.get_samples(group_by_chain=True))
    return samples[0].shape[1] if samples else 0


def _missing_latents(mcmc: MCMC) -> list[str]:
    """Latent sites without draws, which would be drawn from their prior instead."""
    samples = mcmc.get_samples()
    return [
        name
        for name, site in _sites(mcmc).items()
        if not site["is_observed"] and name not in samples
    ]


def _refuse_missing_latents(mcmc: MCMC) -> None:
    for name in _missing_latents(mcmc):
        raise ValueError(
            f"log_likelihood and posterior_predictive=True need draws of {name!r}, which the "
            "posterior lacks: it was summed out, or left out by extra_fields. Leave them off, or "
            "pass posterior_predictive=Predictive(model, samples, infer_discrete=True)(...)."
        )


def _group(mcmc: MCMC, everyone: MCMC) -> np.ndarray:
    """Group of each chain, shape [chain]."""
    if _chains_are_particles(mcmc):
        return np.asarray(mcmc.last_state.group)
    # A chain and its private companions are a group of their own.
    return np.repeat(np.arange(mcmc.num_chains), everyone.num_chains // mcmc.num_chains)


def _chains_are_particles(mcmc: MCMC) -> bool:
    return mcmc.num_chains > 1 and mcmc.last_state.chains_are_particles


def _learnt(mcmc: MCMC) -> list[Learnt]:
    """What was learnt, as NumPy arrays; chains with private companions have one each."""
    pooled = jax.tree.map(np.asarray, mcmc.last_state.learnt)
    if mcmc.num_chains == 1 or _chains_are_particles(mcmc):
        return [pooled]
    return [
        jax.tree.map(lambda leaf, k=chain: np.asarray(leaf[k]), pooled)
        for chain in range(mcmc.num_chains)
    ]


def settings_of_run(mcmc: MCMC, kernel: FHL) -> dict[str, Any]:
    """Name the sampler, list its settings, and what warm-up made of them."""
    dim = mcmc.last_state.particles.position.shape[-1]
    options = kernel.options
    plan = options.plan(mcmc.num_warmup, dim)
    sampler = make_sampler(plan, options.coupling, options.adjusted)
    return describe(
        "fhl_ppl.numpyro.FHL",
        options,
        dim,
        mcmc.num_warmup,
        [report(sampler, learnt) for learnt in _learnt(mcmc)],
        _parameters(mcmc),
        thinning=mcmc.thinning,
        chain_method=getattr(mcmc.chain_method, "__name__", mcmc.chain_method),
        **_tempering(mcmc),
    )


def _tempering(mcmc: MCMC) -> dict[str, Any]:
    replicas = mcmc.last_state.replicas
    if replicas is None:
        return {}
    ladder = jax.tree.map(np.asarray, replicas.ladder)
    return tempering(ladder, np.asarray(replicas.travels.round_trips))


def _parameters(mcmc: MCMC) -> list[str]:
    """Names of the unconstrained parameters in the order of a position."""
    axes = int(_chains_are_particles(mcmc) or mcmc.num_chains > 1)
    leaves = jax.tree_util.tree_leaves_with_path(mcmc.last_state.z)
    return names_of(
        {jax.tree_util.keystr(path, simple=True): leaf.shape[axes:] for path, leaf in leaves}
    )
