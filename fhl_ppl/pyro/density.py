"""Read unconstrained draws and the potential of a finished run for `fhl_ppl.log_evidence`."""

import copy
from typing import Any

import numpy as np
import pyro
import torch
from torch import Tensor

from fhl_ppl.diagnostics.density import Density, check_kernel, check_sites
from fhl_ppl.pyro.batching.potential import BatchedPotential
from fhl_ppl.pyro.finished import check_finished
from fhl_ppl.pyro.kernel import FHL
from fhl_ppl.pyro.model.prior import is_improper
from fhl_ppl.pyro.model.problem import Problem


def density(mcmc: Any) -> Density:
    """Read them.

    Raises
    ------
    ValueError
        If there is nothing to be read, or no evidence.
    """
    check_finished(mcmc)
    kernel = mcmc.kernel
    if not isinstance(kernel, FHL):
        check_kernel(None, False)
    check_kernel(kernel.options, kernel.draws_minibatches)
    transforms = mcmc.transforms or {}
    draws = {
        name: transforms[name](value) if name in transforms else value
        for name, value in mcmc.get_samples(group_by_chain=True).items()
    }
    problem = _problem(mcmc, draws)
    sites = list(problem.layout.shapes)
    nodes = {} if problem.trace is None else problem.trace.nodes
    check_sites(
        [name for name in sites if name not in draws],
        [name for name in sites if name in nodes and is_improper(nodes[name])],
    )
    potential = BatchedPotential(problem.potential_fn, problem.layout)
    position = problem.layout.flatten({name: draws[name] for name in sites})

    def energy(rows: np.ndarray) -> np.ndarray:
        with pyro.validation_enabled(False):
            at = torch.as_tensor(rows, dtype=position.dtype, device=position.device)
            return potential.energy(at).cpu().numpy()

    return Density(position.cpu().numpy().astype(float), energy)


def _problem(mcmc: Any, draws: dict[str, Tensor]) -> Problem:
    """What was sampled; of `pyro.infer.MCMC`, which lets go of it, it is set up again."""
    chains = getattr(mcmc, "_chains", None)
    if chains is not None:
        found: Problem = chains.problem
        return found
    given = {name: value[:1, 0] for name, value in draws.items()}
    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices):
        return copy.copy(mcmc.kernel).prepare(1, 0, mcmc._args, mcmc._kwargs, given)
