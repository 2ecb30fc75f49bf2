"""The learnt harmonic mean, package `harmonic`: a flow fitted to half of the chains.

On the unconstrained space, where nothing of the flow is outside of the posterior. The densities of
the draws are the sampler's, and are not counted again.
"""

from functools import partial

import harmonic
import jax
import numpy as np
from numpyro.distributions import biject_to
from numpyro.infer import NUTS

from benchmarks.estimators.draws import runner
from benchmarks.estimators.interface import Found
from fhl_ppl.numpyro import FHL

EPOCHS, BATCH = 20, 256
"""Of training. The package's default of three epochs is for larger samples."""


def unconstrained(target, draws):
    """Positions and log densities of draws [chain, draw, dim]."""
    transform = biject_to(target.prior.support)

    def one(x):
        position = transform.inv(x)
        jacobian = transform.log_abs_det_jacobian(position, x)
        return position, target.prior.log_prob(x) + target.log_likelihood(x) + jacobian

    position, density = jax.jit(jax.vmap(jax.vmap(one)))(draws)
    return np.asarray(position), np.asarray(density)


def estimate(position, density, seed):
    """(log Z, its error, whether the package's check of itself passes)."""
    dim = position.shape[-1]
    chains = harmonic.Chains(dim)
    chains.add_chains_3d(position, density)
    train, rest = harmonic.utils.split_data(chains, training_proportion=0.5)
    flow = harmonic.model.RQSplineModel(dim, standardize=True, temperature=0.8)
    flow.fit(train.samples, batch_size=BATCH, epochs=EPOCHS, key=jax.random.PRNGKey(seed))
    found = harmonic.Evidence(rest.nchains, flow)
    found.add_chains(rest)
    below, above = found.compute_ln_inv_evidence_errors()
    return -found.ln_evidence_inv, (above - below) / 2, found.check_basic_diagnostic()


def build(target, kernel, steps):
    run = runner(kernel(target.model), steps)

    def one(seed):
        mcmc, gradients = run(seed)
        draws = mcmc.get_samples(group_by_chain=True)["x"]
        value, error, passes = estimate(*unconstrained(target, draws), seed)
        return Found(float(value), float(error), not passes, gradients)

    return one


ESTIMATORS = {
    "harmonic_fhl": partial(build, kernel=FHL, steps="n_steps"),
    "harmonic_nuts": partial(build, kernel=NUTS, steps="num_steps"),
}
