"""`fhl_ppl.log_evidence` of runs of NumPyro."""

import jax
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.distributions import constraints
from numpyro.infer import MCMC

from fhl_ppl import log_evidence
from fhl_ppl.numpyro import FHL
from fhl_ppl.numpyro.model.prior import improper

TRUTH = -4.97455
"""log Z of the model below at 50 of 100."""


def product(number, successes):
    """Only the product of the two probabilities is seen."""
    p = numpyro.sample("p", dist.Uniform(0, 1).expand([2]))
    numpyro.deterministic("product", p[0] * p[1])
    numpyro.sample("successes", dist.Binomial(number, p[0] * p[1]), obs=successes)


def test_it_is_right_and_asks_for_the_data_of_the_run():
    mcmc = MCMC(
        FHL(product),
        num_warmup=300,
        num_samples=300,
        num_chains=8,
        chain_method="vectorized",
        progress_bar=False,
    )
    with pytest.raises(ValueError, match="holds no draws"):
        log_evidence(mcmc)
    mcmc.run(jax.random.key(0), 100, 50)
    found = log_evidence(mcmc)
    assert abs(found.value - TRUTH) < 4 * found.error < 0.1
    assert not found.warnings
    with pytest.raises(ValueError, match="num_proposals must be"):
        log_evidence(mcmc, num_proposals=1)
    mcmc._args = (100, 20)
    with pytest.raises(ValueError, match="differ by"):
        log_evidence(mcmc)
    del mcmc._states["z"]["p"]
    mcmc._states_flat = None
    with pytest.raises(ValueError, match=r"\['p'\] were not kept"):
        log_evidence(mcmc)


def test_priors_without_a_normaliser_are_named():
    def model():
        numpyro.sample("flat", dist.ImproperUniform(constraints.real, (3,), ()))
        numpyro.sample("half", dist.ImproperUniform(constraints.positive, (), (2,)).to_event(0))
        numpyro.sample("masked", dist.Normal().expand([2]).mask(False))
        with numpyro.handlers.mask(mask=False):
            numpyro.sample("masked too", dist.Normal())
        numpyro.sample("proper", dist.Normal().expand([2]).mask(True).to_event(1))

    sites = ("flat", "half", "masked", "masked too", "proper")
    assert improper(model, sites, (), {}) == ["flat", "half", "masked", "masked too"]
