"""Temperatures in NumPyro: the prior is found, what does not go together refused, all is told."""

import re

import numpy as np
import pytest

from tests.conftest import importorskip
from tests.tempered import evidence_of_two_signs

jax = importorskip("jax")
numpyro = importorskip("numpyro")

import jax.numpy as jnp
import numpyro.distributions as dist
from jax import random
from jax.sharding import Mesh
from numpyro.infer import MCMC
from numpyro.infer.util import potential_energy

import fhl_ppl
from fhl_ppl.numpyro import FHL
from fhl_ppl.numpyro.model.prior import prior_potential


def two_signs(size=None):
    """A number of which data tell the size and not the sign, and how large the error is."""
    x = numpyro.sample("x", dist.Normal(0.5, 3.0))
    error = numpyro.sample("error", dist.Exponential(4.0))
    if size is not None:
        numpyro.sample("size", dist.Normal(jnp.abs(x), 0.2 + error), obs=size)
        numpyro.factor("more", -jnp.abs(x))


def potential(z):
    return jnp.sum(z**2) / 2


def test_the_reference_is_the_prior_with_its_jacobians():
    prior = prior_potential(two_signs, (jnp.array(4.0),), {})
    for x, error in ((0.0, 0.0), (1.0, 3.0), (-2.0, -5.0)):
        z = {"x": jnp.array(x), "error": jnp.array(error)}
        alone = potential_energy(two_signs, (), {}, z)
        np.testing.assert_allclose(prior(z), alone, rtol=1e-6)
        slopes = jax.grad(lambda z: potential_energy(two_signs, (), {}, z))(z)
        np.testing.assert_allclose(jax.grad(prior)(z)["error"], slopes["error"], atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"temperatures": 1}, "temperatures must be at least 2, or None for none, got 1"),
        ({"model": None, "potential_fn": potential}, "needs a reference_fn with a potential_fn"),
        ({"temperatures": None, "reference_fn": potential}, "give both or neither"),
        ({"adjusted": False}, "temperatures=3 and adjusted=False contradict"),
        ({"minibatch": True}, "temperatures=3 and minibatch=True do not go together"),
        (
            {"gradient_fn": lambda z, key: z, "noisy_gradient": True},
            "temperatures=3 and noisy_gradient=True do not go together",
        ),
        ({"mesh": Mesh(np.array(jax.devices()[:1]), ("chains",))}, "together with mesh"),
    ],
)
def test_what_does_not_go_together_is_refused(settings, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        FHL(**{"model": two_signs, "temperatures": 3, **settings})


def test_gibbs_is_refused():
    with pytest.raises(ValueError, match="temperatures has no meaning in a block of Gibbs"):
        FHL(two_signs, temperatures=3).wrap_model(lambda model: model)


def flat():
    x = numpyro.sample("x", dist.ImproperUniform(dist.constraints.real, (), ()))
    numpyro.factor("f", -(x**2))


def discrete():
    which = numpyro.sample("which", dist.Bernoulli(0.5), infer={"enumerate": "parallel"})
    numpyro.sample("x", dist.Normal(which, 1.0))


@pytest.mark.parametrize(
    ("model", "said"),
    [(flat, "that of 'x' is improper"), (discrete, "'which' would have to be summed out")],
)
def test_what_is_no_prior_is_refused(model, said):
    mcmc = MCMC(FHL(model, temperatures=3), num_warmup=2, num_samples=2, progress_bar=False)
    with pytest.raises(ValueError, match=said):
        mcmc.run(random.key(0))


def test_a_run_finds_the_other_sign_and_tells_of_the_ladder():
    # Without jumps and split steps, which take long to compile and have tests of their own.
    kernel = FHL(
        two_signs,
        temperatures=4,
        jumps=False,
        integrator="leapfrog",
        init_strategy=numpyro.infer.init_to_value(values={"x": jnp.array(4.0)}),
    )
    mcmc = MCMC(
        kernel,
        num_warmup=150,
        num_samples=250,
        num_chains=8,
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.run(random.key(0), jnp.array(4.0))
    right = np.asarray(mcmc.get_samples()["x"] > 0)
    # The prior leans to one side: the odds are about exp(4 / 9) at a size of 4.
    assert 0.4 < right.mean() < 0.85
    statistics = fhl_ppl.to_arviz(mcmc).sample_stats
    attributes = statistics.attrs
    assert attributes["temperatures"] == 4
    beta = np.array(attributes["inverse_temperatures"])
    assert beta[0] == 1
    assert beta[-1] == 0
    rejections = attributes["swap_rejections"]
    assert len(rejections) == 3
    np.testing.assert_allclose(attributes["communication_barrier"], np.sum(rejections))
    assert np.shape(attributes["round_trips"]) == (8,)
    assert np.sum(attributes["round_trips"]) > 0
    # At least a step at each temperature, and the evaluation by which swaps are tested.
    assert (statistics["n_steps"].values >= 8).all()
    found, truth = fhl_ppl.log_evidence(mcmc), evidence_of_two_signs()
    for value, error in (found.by_bridge, found.by_stones):
        assert abs(value - truth) < 4 * error < 0.5
    energies = kernel.energies(mcmc.last_state.z, (jnp.array(4.0),), {})
    np.testing.assert_allclose(energies, mcmc.last_state.potential_energy, rtol=1e-4, atol=1e-4)
