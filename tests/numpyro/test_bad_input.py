"""Whatever is given in place of what is asked for, the error is one of ours, and says what.

All of it fails before anything is compiled, so that the table may be long.
"""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bad_input import (
    COUNTS,
    METRICS,
    NUMBERS,
    OPTIONS,
    SWITCHES,
    assert_refused,
    assert_taken_or_refused,
    each,
)
from tests.conftest import importorskip

jax = importorskip("jax")
numpyro = importorskip("numpyro")

import jax.numpy as jnp
import numpyro.distributions as dist
from jax import random
from jax.flatten_util import ravel_pytree

from fhl_ppl.numpyro import FHL
from fhl_ppl.numpyro.engine import make_engine

KEYS = random.split(random.key(0), 4)
FOUR = {"x": jnp.ones((4, 2))}


def model(y):
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    s = numpyro.sample("s", dist.HalfNormal(1.0))
    numpyro.sample("y", dist.Normal(mu, s), obs=y)


def gaussian(z):
    return jnp.sum(z["x"] ** 2) / 2


OWN = [
    *each("step_size", [*NUMBERS, 0, jnp.ones(2), jnp.array(True)]),
    *each("kinetic_fn", [len], said="kinetic_fn is not supported"),
    *each("max_tree_depth", [x for x in COUNTS if x != [1]], optional=True),
    *each("max_tree_depth", [[], (1, 2, 3), (3, 0), 31, jnp.ones(2)]),
    *each("find_heuristic_step_size", SWITCHES),
    *each("regularize_mass_matrix", SWITCHES),
    *each("forward_mode_differentiation", SWITCHES),
    *each("evaluation", ["pmap", None, 0, True, np.ones(2)]),
    *each("mesh", ["a", 3]),
    *each("temperatures", [1, *COUNTS], optional=True),
    *each("reference_fn", [3, "x", [], {}], said="reference_fn must be callable, got"),
    ({"potential_fn": gaussian}, "Exactly one of model and potential_fn must be given, got both"),
]


@pytest.mark.parametrize(("given", "said"), OPTIONS + OWN)
def test_kernels(given, said):
    assert_refused(lambda: FHL(**{"model": model, **given}), said)


@pytest.mark.parametrize(("given", "said"), METRICS)
def test_metrics(given, said):
    kernel = FHL(model, **{"dense_mass": True, **given})
    matrix = given.get("inverse_mass_matrix")
    start = {"mu": jnp.zeros(()), "s": jnp.zeros(())}
    flags = {"reports_all": True, "has_sites": True}

    def make():
        make_engine(kernel.options, matrix, 10, start, ravel_pytree(start)[1], **flags)

    assert_refused(make, said)


@pytest.mark.parametrize(
    "key", [0, None, "a", 1.5, [0, 1], np.array([0, 1]), jnp.ones(2), KEYS.reshape(2, 2)]
)
def test_keys(key):
    assert_refused(lambda: FHL(model).init(key, 10, None, (1.0,)), "rng_key must be a key")


ZEROS = jnp.zeros(4)


@pytest.mark.parametrize(
    ("starts", "said"),
    [
        ("a", "init_params has dtype <U1"),
        ({"mu": ZEROS, "s": "a"}, "init_params['s'] has dtype <U1"),
        ({"mu": ZEROS, "s": ZEROS.astype(int)}, "init_params['s'] has dtype int32"),
        ({"mu": ZEROS, "s": ZEROS + 0j}, "init_params['s'] has dtype complex64"),
        ({"mu": ZEROS, "s": ZEROS > 0}, "init_params['s'] has dtype bool"),
        ({"mu": ZEROS, "s": ZEROS.astype(jnp.float16)}, "init_params['s'] has dtype float16"),
        ({"mu": ZEROS, "s": ZEROS.astype(jnp.bfloat16)}, "init_params['s'] has dtype bfloat16"),
        ({"mu": ZEROS, "s": ZEROS[:3]}, "init_params['s'] must have 4 chains as its first axis"),
        ({"mu": 0.0, "s": 0.0}, "init_params['mu'] must have 4 chains as its first axis"),
    ],
)
@pytest.mark.parametrize("target", [{"model": model}, {"potential_fn": gaussian}])
def test_starts(target, starts, said):
    args = (1.0,) if "model" in target else ()
    assert_refused(lambda: FHL(**target).init(KEYS, 10, starts, args), said)


def begin(**given):
    FHL(**given).init(KEYS, 10, FOUR)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (lambda z: None, "potential_fn must return one number, an array, got None"),
        (lambda z: z["x"], "potential_fn must return one number, an array, got (2,)"),
        (lambda z: (gaussian(z),), "potential_fn must return one number, an array, got ((),)"),
        (lambda z: [gaussian(z)], "potential_fn must return one number, an array, got [()]"),
        (lambda z: 1j * gaussian(z), "must return a real number of floating point, got complex64"),
        (lambda z: jnp.all(z["x"] > 0), "must return a real number of floating point, got bool"),
        (lambda z: "a", "potential_fn must be a function of one particle's parameters"),
        (lambda z: float(gaussian(z)), "that JAX can trace"),
        (lambda z: gaussian(z) if z["x"][0] > 0 else 0.0, "that JAX can trace"),
        (lambda z, w: 0.0, "potential_fn must be a function of one particle's parameters"),
        (lambda: 0.0, "potential_fn must be a function of one particle's parameters"),
    ],
)
def test_potentials(value, said):
    assert_refused(lambda: begin(potential_fn=value), said)


@pytest.mark.parametrize(
    ("force", "said"),
    [
        (lambda z: None, "gradient_fn must return dU/dq shaped as the parameters"),
        (lambda z: z["x"], "gradient_fn must return dU/dq shaped as the parameters"),
        (lambda z: {"y": z["x"]}, "gradient_fn must return dU/dq shaped as the parameters"),
        (lambda z: {"x": z["x"][:1]}, "it returned {'x': (1,)}"),
        (lambda z: {"x": [0.0, 0.0]}, "it returned {'x': [(), ()]}"),
        (lambda z: {"x": 1j * z["x"]}, "gradient_fn must return real numbers"),
        (lambda z: "a", "gradient_fn must be a function of one particle's parameters"),
        (lambda z: {"x": np.asarray(z["x"])}, "that JAX can trace"),
        (lambda z, w: z, "gradient_fn must be a function of one particle's parameters"),
    ],
)
def test_forces(force, said):
    assert_refused(lambda: begin(potential_fn=gaussian, gradient_fn=force), said)


@pytest.mark.parametrize("force", [lambda z: z, lambda z, key, w: z, lambda: 0.0])
def test_noisy_forces(force):
    def noisy():
        begin(potential_fn=gaussian, gradient_fn=force, noisy_gradient=True)

    assert_refused(noisy, "noisy_gradient=True needs a gradient_fn of the parameters and a random")


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.text(max_size=1), max_size=2),
    st.dictionaries(st.text(max_size=1), st.floats(), max_size=2),
    st.builds(np.ones, st.integers(0, 2)),
)
NAMES = [*{name for case, _ in OPTIONS + OWN for name in case} - {"model", "potential_fn"}]


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING, min_size=1, max_size=3))
def test_any_arguments_are_taken_or_refused(arguments):
    assert_taken_or_refused(partial(FHL, model), arguments)
