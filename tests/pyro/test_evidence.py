"""`fhl_ppl.log_evidence` of runs of Pyro."""

import pyro
import pyro.distributions as dist
import pyro.infer
import pytest
import torch
from pyro.infer.autoguide.initialization import init_to_value
from torch.distributions import constraints

from fhl_ppl import log_evidence
from fhl_ppl.pyro import FHL, MCMC

TRUTH = -4.97455
"""log Z of the model below at 50 of 100."""

DATA = (torch.tensor(100.0), torch.tensor(50.0))


def product(number, successes):
    """Only the product of the two probabilities is seen."""
    with pyro.plate("two", 2):
        p = pyro.sample("p", dist.Uniform(0.0, 1.0))
    pyro.sample("successes", dist.Binomial(number, p[0] * p[1]), obs=successes)


def run(kernel, *data, mcmc=MCMC, num_samples=300, num_chains=8, **settings):
    pyro.set_rng_seed(0)
    made = mcmc(
        kernel,
        num_samples=num_samples,
        warmup_steps=min(num_samples, 300),
        num_chains=num_chains,
        disable_progbar=True,
        **settings,
    )
    made.run(*data)
    return made


def test_it_is_right_and_asks_for_the_data_of_the_run():
    mcmc = run(FHL(product), *DATA, num_samples=200)
    found = log_evidence(mcmc)
    assert abs(found.value - TRUTH) < 4 * found.error < 0.1
    assert not found.warnings
    other = run(FHL(product), torch.tensor(100.0), torch.tensor(20.0), num_samples=20)
    mcmc._chains.problem = other._chains.problem
    with pytest.raises(ValueError, match="differ by"):
        log_evidence(mcmc)


@pytest.mark.slow
def test_of_pyros_own_mcmc_it_is_right_too():
    mcmc = run(FHL(product), *DATA, mcmc=pyro.infer.MCMC, num_samples=1500, num_chains=1)
    state = torch.get_rng_state()
    found = log_evidence(mcmc)
    assert abs(found.value - TRUTH) < 4 * found.error < 0.2
    torch.testing.assert_close(torch.get_rng_state(), state)


def test_of_a_potential_it_is_the_integral():
    def potential(sites):
        return (sites["x"] ** 2).sum() / 8

    start = {"x": torch.zeros(8, 2, dtype=torch.float64)}
    found = log_evidence(run(FHL(potential_fn=potential), initial_params=start))
    assert abs(found.value - torch.tensor(8 * torch.pi).log()) < 4 * found.error < 0.1


def improper():
    pyro.sample("flat", dist.ImproperUniform(constraints.real, (), ()))
    pyro.sample("masked", dist.Normal(0.0, 1.0).mask(False))
    with pyro.poutine.mask(mask=False):
        pyro.sample("masked too", dist.Normal(0.0, 1.0))
    pyro.sample("proper", dist.Normal(torch.zeros(2), 1.0).to_event(1).mask(True))
    pyro.factor("bounds", torch.tensor(0.0))


def test_runs_without_an_evidence_are_refused():
    start = init_to_value(values={"flat": torch.zeros(())})
    kernel = FHL(improper, init_strategy=start, max_plate_nesting=0)
    with pytest.raises(ValueError, match=r"\['flat', 'masked', 'masked too'\] is improper"):
        log_evidence(run(kernel, num_samples=20))
    with pytest.raises(ValueError, match=r"\['p'\] were not kept"):
        log_evidence(run(FHL(two_sites), num_samples=20, save_params=["q"]))
    nuts = pyro.infer.MCMC(pyro.infer.NUTS(two_sites), 5, 5, disable_progbar=True)
    nuts.run()
    with pytest.raises(ValueError, match="kernel FHL"):
        log_evidence(nuts)
    with pytest.raises(ValueError, match="holds no draws"):
        log_evidence(MCMC(FHL(two_sites), num_samples=20))


def two_sites():
    p = pyro.sample("p", dist.Normal(0.0, 1.0))
    pyro.sample("q", dist.Normal(p, 1.0))
