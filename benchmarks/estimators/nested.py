"""NumPyro's nested sampling, which is that of jaxns, on the prior of the model."""

from functools import partial

import jax
from numpyro.contrib.nested_sampling import NestedSampler

from benchmarks.estimators.interface import Found

TROUBLE = 0b10011000001
"""Of the bits of jaxns's reason to end: room for samples used up, too inefficient, all live points
on a plateau, none left to begin from. Without these little evidence remained, as is asked for."""


def build(target, live=None, **settings):
    """Make it, with `live` points for each dimension; None: the wrapper's 25."""
    if live is not None:
        settings["num_live_points"] = live * target.prior.event_shape[0]

    def one(seed):
        # The wrapper writes into what it is given.
        sampler = NestedSampler(target.model, constructor_kwargs=dict(settings))
        sampler.run(jax.random.key(seed))
        # Only `print_summary` tells of the evidence, and prints it.
        results = sampler._results
        return Found(
            float(results.log_Z_mean),
            float(results.log_Z_uncert),
            bool(int(results.termination_reason) & TROUBLE),
            int(results.total_num_likelihood_evaluations),
        )

    return one


ESTIMATORS = {
    "nested": build,
    "nested_long": partial(build, live=100, max_samples=1e5),
}
