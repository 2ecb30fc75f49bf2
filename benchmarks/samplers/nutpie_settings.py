"""nutpie on the density of a NumPyro model, in its forms.

It runs by itself and cannot be compiled with anything, so `start` runs all of it, and `advance`
hands out the draws: what it takes stands under warm-up, and only the sum of both is meant. Every
evaluation of its log density is counted, the search for a first step among them.
"""

from functools import partial

import jax
import numpy as np
import nutpie
from jax.flatten_util import ravel_pytree
from numpyro.infer.util import initialize_model
from nutpie.compiled_pyfunc import from_pyfunc

from benchmarks.samplers.interface import Draws, Entry, Sampler


class Counted:
    """Log density and gradient of one position, and how often they were asked for."""

    def __init__(self, density):
        self.density = density
        self.number = 0

    def __call__(self, position):
        self.number += 1
        value, gradient = self.density(position)
        return float(value), np.asarray(gradient)


def build(model, size, sites, warmup=1.0, **settings):
    found = initialize_model(jax.random.PRNGKey(0), model)
    flat, unravel = ravel_pytree(found.param_info.z)
    density = jax.jit(jax.value_and_grad(lambda flat: -found.potential_fn(unravel(flat))))
    # A compiled program called by itself takes longer to call than what `jit` keeps.
    counted = Counted(density)
    compiled = from_pyfunc(
        len(flat),
        lambda: counted,
        lambda *_: lambda flat: {"flat": flat},
        [np.dtype(np.float64)],
        [(len(flat),)],
        ["flat"],
        # Where a NumPyro kernel would start.
        make_initial_point_fn=lambda seed: np.random.default_rng(seed).uniform(-2, 2, len(flat)),
    )

    def start(key):
        counted.number = 0
        run = nutpie.sample(
            compiled,
            draws=size.draws,
            tune=int(warmup * size.warmup),
            chains=size.chains,
            # One thread, as all others.
            cores=1,
            seed=int(jax.random.key_data(key)[-1]),
            save_warmup=False,
            progress_bar=False,
            **settings,
        )
        steps = run.sample_stats["n_steps"].values
        return (run, steps), counted.number - steps.sum()

    def advance(carry):
        run, steps = carry
        constrain = jax.vmap(jax.vmap(lambda flat: found.postprocess_fn(unravel(flat))))
        values = constrain(run.posterior["flat"].values)
        diverging = run.sample_stats["diverging"].values
        return carry, Draws({site: values[site] for site in sites}, steps, diverging)

    return Sampler(start, advance)


def entry(warmup=1.0, **settings):
    described = {"warmup": warmup, **settings}
    return Entry(partial(build, **described), described, is_compiled=False)


low_rank = partial(entry, low_rank_modified_mass_matrix=True)

SAMPLERS = {
    "nutpie": entry(),
    "nutpie_low_rank": low_rank(),
    "nutpie_low_rank_2": low_rank(mass_matrix_eigval_cutoff=2.0),
    "nutpie_short": entry(warmup=0.5),
    "nutpie_low_rank_short": low_rank(warmup=0.5),
    "nutpie_low_rank_2_short": low_rank(warmup=0.5, mass_matrix_eigval_cutoff=2.0),
}
