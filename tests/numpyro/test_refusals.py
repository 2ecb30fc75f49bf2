"""Bad input is refused, with the argument, the value and the remedy in the message."""

import copy
import pickle
import re

import numpy as np
import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
numpyro = importorskip("numpyro")

import jax.numpy as jnp
import numpyro.distributions as dist
from jax import random
from numpyro.infer import HMCECS, MCMC, NUTS, DiscreteHMCGibbs, HMCGibbs, MixedHMC

from fhl_ppl.numpyro import FHL
from tests.numpyro.models import EFFECT, eight_schools


def potential(z):
    return 0.5 * jnp.sum(z**2)


def run(kernel, *args, **settings):
    mcmc = MCMC(
        kernel,
        num_warmup=5,
        num_samples=5,
        num_chains=4,
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.run(random.PRNGKey(0), *args, **settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"group_size": 0}, "group_size must be at least 1"),
        ({"coupling": "tight"}, "coupling must be one of 'alternate', 'joint', got 'tight'"),
        ({"pulling_strength": -1.0}, "pulling_strength must be 0 (no pull) or more"),
        ({"step_size": 0.0}, "step_size must be positive, got 0.0"),
        ({"step_size": float("nan")}, "step_size must be positive, got nan"),
        ({"target_accept_prob": 1.0}, "target_accept_prob must be in (0, 1)"),
        ({"num_steps": 0}, "num_steps must be at least 1"),
        ({"max_num_steps": 0}, "max_num_steps must be at least 1"),
        ({"trajectory_length": -1.0}, "trajectory_length must be positive"),
        ({"num_steps": 2, "trajectory_length": 1.0}, "contradict each other"),
        ({"kinetic_fn": lambda m, r: 0.0}, "kinetic_fn is not supported"),
        ({"evaluation": "pmap"}, 'evaluation must be "vmap", "map" or how many'),
        (
            {"potential_fn": potential},
            "Exactly one of model and potential_fn must be given, got both",
        ),
        ({"model": None}, "Exactly one of model and potential_fn must be given, got neither"),
    ],
)
def test_constructor_refuses(settings, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        FHL(**({"model": eight_schools} | settings))


@pytest.mark.parametrize(
    "settings",
    [{"group_size": 2.5}, {"num_steps": "many"}, {"dense_mass": 3}, {"step_size": "big"}],
)
def test_constructor_refuses_types(settings):
    with pytest.raises(TypeError, match=next(iter(settings))):
        FHL(eight_schools, **settings)


def test_unadjusted_says_that_it_is_biased():
    with pytest.warns(UserWarning, match="biased"):
        FHL(eight_schools, adjusted=False)


@pytest.mark.parametrize(
    ("outer", "remedy"),
    [
        (HMCECS, r"FHL\(model, minibatch=True\)"),
        (MixedHMC, r"Gibbs\(\[\(DiscreteGibbs\(model\)"),
        (DiscreteHMCGibbs, r"Gibbs\(\[\(DiscreteGibbs\(model\)"),
        (lambda kernel: HMCGibbs(kernel, lambda **_: {}, ["mu"]), r"CustomGibbs\(gibbs_fn\)"),
    ],
)
def test_kernels_that_take_no_other_than_hmc_refuse(outer, remedy):
    with pytest.raises(TypeError, match=rf"cannot take FHL.*use .*{remedy}"):
        outer(FHL(eight_schools))


def test_without_that_numpyro_says_less(monkeypatch):
    """Breaks the code on purpose."""
    monkeypatch.setattr("fhl_ppl.numpyro.kernel.refuse_hmc_only", lambda frame: None)
    with pytest.raises(ValueError, match=r"inner_kernel must be an? HMC or NUTS sampler"):
        HMCECS(FHL(eight_schools))


def test_the_class_is_what_it_is():
    kernel = FHL(eight_schools)
    assert isinstance(kernel, FHL)
    assert not isinstance(kernel, NUTS)
    assert kernel.__class__ is FHL
    assert isinstance(pickle.loads(pickle.dumps(kernel)), FHL)
    assert isinstance(copy.copy(kernel), FHL)


@pytest.mark.parametrize("keys", [3, 5])
def test_a_key_for_each_chain(keys):
    mcmc = MCMC(
        FHL(potential_fn=potential),
        num_warmup=5,
        num_samples=5,
        num_chains=4,
        chain_method="vectorized",
        progress_bar=False,
    )
    with pytest.raises(ValueError, match=rf"rng_key holds {keys} keys and num_chains is 4"):
        mcmc.run(random.split(random.key(0), keys), init_params=jnp.ones((4, 2)))


def test_subsampling_plate():
    def model(data):
        mean = numpyro.sample("mean", dist.Normal())
        with numpyro.plate("rows", 10, subsample_size=5) as index:
            numpyro.sample("obs", dist.Normal(mean), obs=data[index])

    with pytest.raises(ValueError, match="plate 'rows' subsamples 5 of 10"):
        run(FHL(model), jnp.ones(10))


@pytest.mark.filterwarnings("ignore:.*Out-of-support values")
def test_impossible_data_names_the_site():
    def model():
        rate = numpyro.sample("rate", dist.Gamma(2.0, 1.0))
        numpyro.sample("obs", dist.Exponential(rate), obs=jnp.array([1.0, -1.0]))

    with pytest.raises(ValueError, match="observed site 'obs' has log density -inf"):
        run(FHL(model))


def test_non_finite_init_params_name_the_site():
    start = {
        "mu": jnp.zeros(4),
        "tau": jnp.zeros(4),
        "offset": jnp.zeros((4, 8)).at[2, 3].set(jnp.nan),
    }
    with pytest.raises(ValueError, match=r"particle 2 cannot start.*position at site 'offset'"):
        run(FHL(eight_schools), EFFECT, init_params=start)


def test_wrong_shapes_of_init_params():
    start = {"mu": jnp.zeros(4), "tau": jnp.zeros(4), "offset": jnp.zeros((4, 7))}
    with pytest.raises(ValueError, match=r"wanted shapes .*\(4, 8\).* got .*\(4, 7\)"):
        run(FHL(eight_schools), EFFECT, init_params=start)


def test_potential_without_start():
    with pytest.raises(ValueError, match="init_params must be given with potential_fn"):
        run(FHL(potential_fn=potential))


def test_integer_parameters():
    with pytest.raises(ValueError, match="has dtype int32"):
        run(FHL(potential_fn=potential), init_params=jnp.ones((4, 2), int))


def test_potential_that_is_no_scalar():
    with pytest.raises(ValueError, match="must return one number"):
        run(FHL(potential_fn=lambda z: z), init_params=jnp.ones((4, 2)))


def test_gradient_of_the_wrong_shape():
    kernel = FHL(potential_fn=potential, gradient_fn=lambda z: z[:1])
    with pytest.raises(ValueError, match=r"gradient_fn must return .*\(2,\).* it returned \(1,\)"):
        run(kernel, init_params=jnp.ones((4, 2)))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"dense_mass": [("mu", "nu")]}, "dense_mass names 'nu'"),
        ({"dense_mass": [("mu",), ("mu", "tau")]}, "dense_mass names 'mu' twice"),
        ({"inverse_mass_matrix": np.ones(3)}, "inverse_mass_matrix has shape (3,)"),
        ({"inverse_mass_matrix": -np.ones(10)}, "must be positive definite"),
        ({"inverse_mass_matrix": {("nu",): np.ones(1)}}, "inverse_mass_matrix names 'nu'"),
        (
            {"inverse_mass_matrix": np.eye(10) + 0.1, "dense_mass": False},
            "off-diagonal entries but the metric is diagonal",
        ),
        (
            {"inverse_mass_matrix": np.eye(10) + 0.1, "dense_mass": "low_rank"},
            "or of low rank, which starts as one; set dense_mass=True, or give the diagonal",
        ),
    ],
)
def test_metric_that_does_not_fit(settings, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        run(FHL(eight_schools, **settings), EFFECT)


def test_a_gradient_that_is_nan_names_the_site():
    """The energy is finite where the root of nothing is taken, and its derivative is not."""

    def model(data):
        a = numpyro.sample("a", dist.Normal())
        b = numpyro.sample("b", dist.Normal())
        numpyro.sample("obs", dist.Normal(a + jnp.sqrt(0.0 * b), 1.0), obs=data)

    with pytest.raises(ValueError, match="gradient of the potential energy is not finite at 'b'"):
        run(FHL(model), 1.0)
