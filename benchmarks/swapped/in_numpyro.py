"""A NumPyro script, and how many gradients it takes."""

import jax
import numpyro
from numpyro.infer import MCMC, NUTS

from benchmarks.swapped import numpyro_processes, numpyro_regressions
from benchmarks.swapped.case import Ran
from fhl_ppl.numpyro import FHL

CASES = numpyro_regressions.CASES | numpyro_processes.CASES
KERNELS = {"NUTS": NUTS, "FHL": FHL}
STEPS = {"NUTS": "num_steps", "FHL": "n_steps"}


def run(case, job):
    numpyro.enable_x64(case.x64)
    mcmc = MCMC(
        KERNELS[job["kernel"]](case.model, **case.kernel),
        num_warmup=job["warmup"],
        num_samples=job["draws_per_chain"],
        num_chains=job["chains"],
        chain_method="vectorized",
        progress_bar=False,
    )
    collect_all(mcmc)
    steps = STEPS[job["kernel"]]
    mcmc.run(jax.random.key(job["seed"]), *case.args, extra_fields=(steps,))
    draws, fields = jax.block_until_ready(
        (mcmc.get_samples(group_by_chain=True), mcmc.get_extra_fields(group_by_chain=True))
    )
    return Ran(
        {name: values[:, job["warmup"] :] for name, values in draws.items()},
        int(fields[steps].sum()),
        int(fields["diverging"][:, job["warmup"] :].sum()),
    )


def collect_all(mcmc):
    """Have the run keep its warm-up, whose gradients count, too."""
    total = mcmc.num_warmup + mcmc.num_samples
    mcmc._set_collection_params(0, total, total, "sample")
