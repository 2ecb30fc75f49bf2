"""Every kind of model runs, and gives the posterior that NUTS gives."""

import numpy as np
import pytest

from tests.conftest import importorskip

numpyro = importorskip("numpyro")
jax = importorskip("jax")
importorskip("funsor")

from jax import random
from numpyro.diagnostics import effective_sample_size
from numpyro.infer import MCMC, NUTS, Predictive
from scipy.stats import truncnorm

from fhl_ppl.numpyro import FHL
from fhl_ppl.numpyro.model import potential
from tests.numpyro.models import CHEAP, EFFECT, MODELS, eight_schools

BY_ALL_MOVES = {"eight_schools", "enumerated", "matrix_valued"}
"""Where defaults are taken. For the others, which are about reading a model, less is compiled."""
Z_LIMIT = 5.0
"""Two-sided false-alarm rate 6e-7 a comparison; some 60 comparisons are made here."""


def run(kernel, args, num_samples):
    mcmc = MCMC(
        kernel,
        num_warmup=300,
        num_samples=num_samples,
        num_chains=4,
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.run(random.PRNGKey(1), *args)
    return mcmc


def moments(draws):
    """Mean and its standard error, [chain, draw, ...] to [...]."""
    size = np.maximum(effective_sample_size(draws), 4.0)
    return draws.mean((0, 1)), draws.std((0, 1)) / np.sqrt(size)


@pytest.mark.parametrize(
    "name",
    [
        # It compiles longest.
        pytest.param(name, marks=[pytest.mark.slow] * (name == "matrix_valued"))
        for name in sorted(set(MODELS) - {"without_latents"})
    ],
)
def test_same_posterior_as_nuts(name):
    model, args = MODELS[name]
    settings = {} if name in BY_ALL_MOVES else {"jumps": False}
    ours = run(FHL(model, **settings), args, 1000).get_samples(group_by_chain=True)
    theirs = run(NUTS(model), args, 1000).get_samples(group_by_chain=True)
    assert ours.keys() == theirs.keys()
    for site in ours:
        mine, other = (np.asarray(run_[site], float) for run_ in (ours, theirs))
        for power in (1, 2):
            (mean, error), (wanted, wanted_error) = moments(mine**power), moments(other**power)
            # Constant entries, as the corner of a Cholesky factor, have no error.
            free = error > 1e-6 * (1 + np.abs(mean))
            z = (mean - wanted) / np.hypot(error, wanted_error)
            np.testing.assert_array_less(np.abs(z[free]), Z_LIMIT, err_msg=f"{site}^{power}")


def test_the_comparison_notices_a_wrong_posterior():
    model, args = MODELS["factor"]
    ours = run(FHL(model), args, 1000).get_samples(group_by_chain=True)["x"]
    mean, error = moments(np.asarray(ours, float))
    # The prior's mean is 0, the posterior's 1/2: without the factor this would pass.
    assert np.abs(mean / error).max() > Z_LIMIT
    np.testing.assert_array_less(np.abs((mean - 0.5) / error), Z_LIMIT)


def test_model_without_latents_runs():
    model, args = MODELS["without_latents"]
    mcmc = run(FHL(model, **CHEAP), args, 10)
    assert mcmc.get_samples(group_by_chain=True)["constant"].shape == (4, 10, 3)
    np.testing.assert_allclose(mcmc.get_extra_fields()["accept_prob"], 1.0)


def test_predictive_takes_the_draws():
    mcmc = run(FHL(eight_schools, **CHEAP), (EFFECT,), 50)
    predicted = Predictive(eight_schools, mcmc.get_samples())(random.PRNGKey(0), None)
    assert predicted["obs"].shape == (200, 8)


def test_callback_without_batching_rule_runs_one_particle_after_another():
    def energy(x):
        return np.asarray(0.5 * np.sum(np.asarray(x) ** 2), np.float32)

    def potential_fn(z):
        return jax.pure_callback(energy, jax.ShapeDtypeStruct((), np.float32), z)

    kernel = FHL(potential_fn=potential_fn, gradient_fn=lambda z: z, evaluation="map")
    mcmc = MCMC(
        kernel,
        num_warmup=50,
        num_samples=50,
        num_chains=4,
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.run(random.PRNGKey(0), init_params=np.ones((4, 2), np.float32))
    assert np.isfinite(mcmc.get_samples()).all()


@pytest.mark.parametrize("evaluation", ["map", 4, 100])
def test_some_particles_at_a_time_are_as_all_at_once(evaluation):
    def of(evaluation):
        target = potential.potential_and_gradient(
            lambda x: (x**4).sum(), None, lambda x: x, False, evaluation
        )
        return target.potential_and_gradient(np.linspace(-1, 1, 30, dtype="f").reshape(10, 3))

    for one, other in zip(of(evaluation), of("vmap"), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def run_potential(potential_fn, start, **settings):
    mcmc = MCMC(
        FHL(potential_fn=potential_fn, **settings),
        num_warmup=200,
        num_samples=500,
        num_chains=16,
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.run(random.PRNGKey(2), init_params=start)
    return mcmc


def test_a_wall_does_not_shrink_the_step_without_end():
    def potential_fn(x):
        return jax.numpy.where(x > 0, (x - 0.5) ** 2 / 2, jax.numpy.inf)

    start = np.linspace(0.1, 2.0, 16, dtype=np.float32)
    # Proposals beyond the wall are lost whatever the step; the target has to leave room for them.
    mcmc = run_potential(potential_fn, start, target_accept_prob=0.6)
    draws = np.asarray(mcmc.get_samples(group_by_chain=True), float)
    mean, error = moments(draws)
    assert abs(mean - truncnorm.mean(-0.5, np.inf, 0.5)) < Z_LIMIT * error
    # Counting every lost proposal as 0 led to hundreds of steps a draw.
    assert mcmc.get_extra_fields()["n_steps"].mean() < 20


def test_a_gradient_that_fails_somewhere_walls_nothing_off():
    def gradient_fn(x):
        return jax.numpy.where(x > 1, jax.numpy.nan, x)

    start = np.linspace(-0.9, 0.9, 16, dtype=np.float32)
    mcmc = run_potential(lambda x: x**2 / 2, start, gradient_fn=gradient_fn)
    draws = np.asarray(mcmc.get_samples(group_by_chain=True), float)
    for power, wanted in ((1, 0.0), (2, 1.0)):
        mean, error = moments(draws**power)
        assert abs(mean - wanted) < Z_LIMIT * error
    assert (draws > 1).mean() > 0.1


@pytest.mark.filterwarnings("ignore:adjusted=False")
def test_unadjusted_draws_gather_where_the_density_is_high():
    mcmc = run_potential(lambda x: x**2 / 2, np.linspace(-2, 2, 16), adjusted=False)
    assert np.abs(mcmc.get_samples()).max() < 20
    assert 0.5 < mcmc.get_extra_fields()["accept_prob"].mean() < 1
