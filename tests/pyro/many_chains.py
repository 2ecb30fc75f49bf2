"""Short runs of `fhl_ppl.pyro.MCMC`."""

import numpy as np
import pyro
import torch

from fhl_ppl.pyro import FHL, MCMC
from tests.pyro.small import model

DATA = torch.tensor([1.0, 2.0, 3.0, 2.0])
CHAINS = 6


def made(kernel=None, num_samples=12, warmup_steps=15, num_chains=CHAINS, **options):
    kernel = FHL(model) if kernel is None else kernel
    return MCMC(
        kernel,
        num_samples,
        warmup_steps,
        num_chains=num_chains,
        disable_progbar=True,
        **options,
    )


def ran(*args, seed=0, data=DATA, **kwargs):
    pyro.set_rng_seed(seed)
    mcmc = made(*args, **kwargs)
    mcmc.run(data)
    return mcmc


def draws(mcmc):
    return mcmc.get_samples(group_by_chain=True)


def assert_same(left, right):
    assert set(left) == set(right)
    for name in left:
        np.testing.assert_array_equal(left[name], right[name])
