"""What a script written for NUTS hands over and looks up: arguments, traced settings, fields."""

import inspect
import warnings

import numpy as np
import pytest

from tests.conftest import importorskip

jax = importorskip("jax")
numpyro = importorskip("numpyro")

import jax.numpy as jnp
from jax import random
from numpyro.infer import MCMC, NUTS
from numpyro.infer.util import initialize_model

from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.numpyro import FHL
from fhl_ppl.numpyro.adapt_state import MetricBlocks, adapt_state
from tests.numpyro.models import EFFECT, eight_schools

CHEAP = {"jumps": False, "integrator": "leapfrog"}


def test_arguments_stand_in_the_order_of_nuts():
    def positional(kernel):
        return [
            name
            for name, each in inspect.signature(kernel).parameters.items()
            if each.kind is each.POSITIONAL_OR_KEYWORD
        ]

    assert positional(FHL) == positional(NUTS)


@pytest.mark.parametrize(
    "settings",
    [
        {"max_tree_depth": 10},
        {"max_tree_depth": (10, 10)},
        {"find_heuristic_step_size": True},
        {"find_heuristic_step_size": False},
        {"regularize_mass_matrix": True},
        {"regularize_mass_matrix": False},
        {"forward_mode_differentiation": False},
    ],
)
def test_what_changes_nothing_is_not_warned_of(settings):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FHL(eight_schools, **settings)


@pytest.mark.parametrize(("depth", "steps"), [(5, 32), ((10, 7), 128), (12, 4096)])
def test_a_cap_that_does_not_hold_is(depth, steps):
    with pytest.warns(UserWarning, match=rf"max_tree_depth=.* is ignored.*max_num_steps={steps}"):
        FHL(eight_schools, max_tree_depth=depth)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"max_tree_depth": "deep"}, TypeError),
        ({"max_tree_depth": 0}, ValueError),
        ({"max_tree_depth": (1, 2, 3)}, ValueError),
        ({"find_heuristic_step_size": "yes"}, TypeError),
        ({"regularize_mass_matrix": None}, TypeError),
    ],
)
def test_nonsense_is_refused(settings, error):
    with pytest.raises(error, match=next(iter(settings))):
        FHL(eight_schools, **settings)


def quadratic(z):
    return 0.5 * jnp.sum(z**2)


def draws(**settings):
    mcmc = MCMC(
        FHL(potential_fn=quadratic, **CHEAP, **settings),
        num_warmup=20,
        num_samples=20,
        num_chains=4,
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.run(random.key(0), init_params=jnp.ones((4, 2)))
    return mcmc.get_samples(), mcmc.get_extra_fields()["n_steps"]


@pytest.mark.parametrize(
    "settings",
    [
        {"step_size": 0.5, "trajectory_length": 1.5, "pulling_strength": 0.3},
        {"target_accept_prob": 0.7, "pulling_strength": 0.0, "adapt_mass_matrix": False},
    ],
    ids=["steps", "target"],
)
def test_settings_may_be_traced(settings):
    traced = {name: value for name, value in settings.items() if isinstance(value, float)}
    fixed = {name: value for name, value in settings.items() if name not in traced}
    samples, steps = jax.jit(lambda given: draws(**given, **fixed))(traced)
    wanted, wanted_steps = draws(**settings)
    # Another program rounds differently, which forty iterations do not blow up.
    np.testing.assert_array_equal(steps[:20], wanted_steps[:20])
    np.testing.assert_allclose(samples[:20], wanted[:20], rtol=1e-2, atol=1e-3)


def test_values_that_are_known_are_checked_still():
    with pytest.raises(ValueError, match="step_size must be positive"):
        FHL(potential_fn=quadratic, step_size=jnp.array(-1.0))


def shapes(state):
    return jax.tree.map(
        jnp.shape,
        {
            name: getattr(state.adapt_state, name)
            for name in ("inverse_mass_matrix", "mass_matrix_sqrt", "mass_matrix_sqrt_inv")
        },
    )


@pytest.mark.parametrize("vectorized", [True, False])
@pytest.mark.parametrize("dense_mass", [True, False, [("mu", "tau")], [("tau", "mu"), ("offset",)]])
def test_adapt_state_has_the_form_of_nuts(dense_mass, vectorized):
    key = random.split(random.key(0), 4) if vectorized else random.key(0)
    ours, theirs = (
        kernel(eight_schools, dense_mass=dense_mass).init(key, 10, None, (EFFECT,), {})
        for kernel in (FHL, NUTS)
    )
    assert shapes(ours) == shapes(theirs)
    assert ours.adapt_state.step_size.shape == theirs.adapt_state.step_size.shape


def test_adapt_state_of_a_potential_is_no_dict():
    state = FHL(potential_fn=quadratic).init(random.key(0), 5, jnp.ones(3))
    assert state.adapt_state.inverse_mass_matrix.shape == (3, 3)


def roots_fit(state, matrix, order):
    """Whether block and roots are of the entries `order` of `matrix`, with M = R R'."""
    (names,) = state.inverse_mass_matrix
    part = np.asarray(state.inverse_mass_matrix[names])
    root = np.asarray(state.mass_matrix_sqrt[names])
    root_inv = np.asarray(state.mass_matrix_sqrt_inv[names])
    return (
        np.allclose(part, matrix[np.ix_(order, order)], rtol=1e-5)
        and np.allclose(np.triu(root, 1), 0)
        and np.allclose(root @ root.T @ part, np.eye(len(order)), atol=1e-4)
        and np.allclose(root @ root_inv, np.eye(len(order)), atol=1e-4)
    )


def test_the_parts_of_the_metric(rng):
    root = rng.normal(size=(3, 3))
    matrix = root @ root.T + np.eye(3)
    metric = make_metric(jnp.array(matrix, jnp.float32))
    blocks = MetricBlocks((("b", "a"),), ((1, 2, 0),), (True,))
    state = adapt_state(jnp.array(1.0), metric, blocks, None)
    assert roots_fit(state, matrix, [1, 2, 0])
    # In the order of the flat position it would be another metric.
    assert not roots_fit(state, matrix, [0, 1, 2])
    several = adapt_state(jnp.ones(5), metric, blocks, 5)
    assert several.mass_matrix_sqrt["b", "a"].shape == (5, 3, 3)


def run(num_chains, **settings):
    mcmc = MCMC(
        FHL(eight_schools, **CHEAP, charts=False),
        num_warmup=5,
        num_samples=5,
        num_chains=num_chains,
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.run(random.key(0), EFFECT, **settings)
    return mcmc


def test_all_fields_of_vectorized_chains_are_arrays_of_draws():
    fields = run(4, extra_fields=("num_steps", "adapt_state.step_size", "z.mu")).get_extra_fields()
    assert {"num_steps", "adapt_state.step_size", "z.mu"} < fields.keys()
    assert {values.shape for values in fields.values()} == {(20,)}


@pytest.mark.parametrize("field", ["z_grad", "nope"])
def test_a_field_that_is_not_there_is_named(field):
    said = f"extra_fields asks for '{field}', .* it has i, z, .*adapt_state"
    with pytest.raises(ValueError, match=said):
        run(4, extra_fields=(field,))


@pytest.mark.parametrize("num_chains", [1, 4])
def test_starts_may_be_what_initialize_model_found(num_chains):
    key = random.key(1) if num_chains == 1 else random.split(random.key(1), num_chains)
    found = initialize_model(key, eight_schools, model_args=(EFFECT,)).param_info
    one, other = (run(num_chains, init_params=start) for start in (found, found.z))
    np.testing.assert_array_equal(one.get_samples()["mu"], other.get_samples()["mu"])
