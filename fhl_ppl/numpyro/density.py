"""Read unconstrained draws and the potential of a finished run for `fhl_ppl.log_evidence`."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random
from jax.flatten_util import ravel_pytree
from numpyro import handlers
from numpyro.infer import MCMC
from numpyro.infer.util import unconstrain_fn

from fhl_ppl.diagnostics.density import AT_ONCE, Density, check_kernel, check_sites
from fhl_ppl.numpyro.companions import with_companions
from fhl_ppl.numpyro.finished import finished
from fhl_ppl.numpyro.kernel import FHL
from fhl_ppl.numpyro.model.prior import improper
from fhl_ppl.numpyro.precision import unknown_to_jax

Array = Any


def density(mcmc: MCMC) -> Density:
    """Read them.

    Raises
    ------
    ValueError
        If there is nothing to be read, or no evidence.
    """
    mcmc = finished(mcmc)
    kernel = mcmc.sampler
    if not isinstance(kernel, FHL):
        check_kernel(None, False)
    problem = kernel.problem
    check_kernel(kernel.options, bool(problem.batch_shares))
    if problem.unravel is None:
        raise ValueError(
            "mcmc was unpickled and has not run since, so its energies are not known; call "
            "log_evidence before it is pickled, or run it again."
        )
    unravel = problem.unravel
    args, kwargs = unknown_to_jax((mcmc._args, mcmc._kwargs))
    samples = with_companions(mcmc).get_samples(group_by_chain=True)
    if problem.model is not None:
        last = jnp.ravel(mcmc.last_state.particles.position)
        dim = mcmc.last_state.particles.position.shape[-1]
        sites = unravel(last[:dim])
        missing = [name for name in sites if name not in samples]
        check_sites(missing, improper(problem.model, sites, args, kwargs))
        seeded = handlers.seed(problem.model, random.key(0))
        samples = _each_draw(
            lambda draw: unconstrain_fn(seeded, args, kwargs, draw),
            {name: samples[name] for name in sites},
        )
    position = jax.vmap(jax.vmap(lambda tree: ravel_pytree(tree)[0]))(samples)
    energy = jax.jit(problem.energy(args, kwargs))
    return Density(
        np.asarray(position, float), lambda rows: energy(jnp.asarray(rows, position.dtype))
    )


def _each_draw(one: Any, samples: Any) -> Any:
    """Apply to every draw, leaves [chain, draw, ...]."""
    axes = jax.tree.leaves(samples)[0].shape[:2]
    flat = jax.tree.map(lambda leaf: jnp.reshape(leaf, (-1, *leaf.shape[2:])), samples)
    found = jax.jit(lambda rows: lax.map(one, rows, batch_size=AT_ONCE))(flat)
    return jax.tree.map(lambda leaf: leaf.reshape(*axes, *leaf.shape[1:]), found)
