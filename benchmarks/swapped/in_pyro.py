"""A Pyro script, and how many gradients it takes."""

import pyro
import torch
from pyro.infer import MCMC as PyroMCMC
from pyro.infer import NUTS
from pyro.infer.mcmc import hmc, nuts
from pyro.ops import integrator

from benchmarks.swapped.case import Ran
from benchmarks.swapped.pyro_models import CASES
from fhl_ppl.pyro import FHL, MCMC

__all__ = ["CASES", "run"]


def run(case, job):
    torch.set_num_threads(1)
    pyro.set_rng_seed(job["seed"])
    return {"NUTS": run_nuts, "FHL": run_fhl}[job["kernel"]](case, job)


def script(mcmc, kernel, case, job, **settings):
    mcmc = mcmc(
        kernel(case.model, **case.kernel),
        num_samples=job["draws_per_chain"],
        warmup_steps=job["warmup"],
        num_chains=job["chains"],
        disable_progbar=True,
        **settings,
    )
    mcmc.run(*case.args)
    return mcmc, mcmc.get_samples(group_by_chain=True)


def run_nuts(case, job):
    calls = count_gradients()
    mcmc, draws = script(PyroMCMC, NUTS, case, job)
    divergent = sum(map(len, mcmc.diagnostics()["divergences"].values()))
    return Ran(draws, len(calls), divergent)


def count_gradients():
    """A list that grows with every gradient of NUTS, who keeps no count."""
    calls, gradient = [], integrator.potential_grad

    def counted(*args):
        calls.append(None)
        return gradient(*args)

    for module in (integrator, hmc, nuts):
        module.potential_grad = counted
    return calls


def run_fhl(case, job):
    mcmc, draws = script(MCMC, FHL, case, job, keep_warmup=True)
    told = mcmc.diagnostics()
    # A chain alone has companions that are not reported.
    particles = max(job["chains"], mcmc.kernel.options.group_size if job["chains"] == 1 else 1)
    steps = told["n_steps"][0].sum() + told["warmup"]["n_steps"][0].sum()
    divergent = sum(map(len, told["divergences"].values()))
    return Ran(draws, int(particles * steps), divergent, told["evaluation"]["rung"])
