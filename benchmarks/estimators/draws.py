"""Runs of a kernel of NumPyro whose gradients are counted, those of warm-up too."""

import jax
from numpyro.infer import MCMC

from benchmarks.evidence import NUM_SAMPLES, NUM_WARMUP

CHAINS = 16
"""As many as the command of `benchmarks.evidence` takes."""


def runner(kernel, steps):
    """A function of a seed: (finished MCMC, gradients). `steps` is the kernel's field of them."""
    mcmc = MCMC(
        kernel,
        num_warmup=NUM_WARMUP,
        num_samples=NUM_SAMPLES,
        num_chains=CHAINS,
        chain_method="vectorized",
        progress_bar=False,
    )

    def counted():
        return int(mcmc.get_extra_fields()[steps].sum())

    def run(seed):
        warm, draw = jax.random.split(jax.random.key(seed))
        mcmc.warmup(warm, extra_fields=(steps,), collect_warmup=True)
        gradients = counted()
        mcmc.run(draw, extra_fields=(steps,))
        return mcmc, gradients + counted()

    return run
