"""Whatever is given in place of what is asked for, the error is one of ours, and says what."""

from functools import partial

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fhl_ppl.pyro import FHL, MCMC
from tests.bad_input import (
    BIG,
    COUNTS,
    METRICS,
    NUMBERS,
    OPTIONS,
    SWITCHES,
    assert_refused,
    assert_taken_or_refused,
    each,
)

DATA = torch.ones(3)
FOUR = {"x": torch.ones(4, 2)}


def model(y):
    mu = pyro.sample("mu", dist.Normal(torch.tensor(0.0), 1.0))
    s = pyro.sample("s", dist.HalfNormal(torch.tensor(1.0)))
    with pyro.plate("data", len(y)):
        pyro.sample("y", dist.Normal(mu, s), obs=y)


def batches(size):
    def drawn():
        m = pyro.sample("m", dist.Normal(torch.tensor(0.0), 1.0))
        with pyro.plate("rows", 10, subsample_size=size) as rows:
            pyro.sample("y", dist.Normal(m, 1.0), obs=torch.ones(10)[rows])

    return drawn


def gaussian(sites):
    return (sites["x"] ** 2).sum() / 2


def run(kernel, *args, **given):
    mcmc = MCMC(kernel, 2, 2, **{"num_chains": 4, "disable_progbar": True, **given})
    mcmc.run(*args)
    return mcmc


OWN = [
    *each("step_size", [*NUMBERS, 0, torch.ones(2), torch.tensor(True)], optional=True),
    *each("min_stepsize", NUMBERS),
    *each("max_stepsize", NUMBERS),
    *each("jit_compile", SWITCHES),
    *each("keep_companions", SWITCHES),
    *each("ignore_jit_warnings", SWITCHES),
    *each("use_multinomial_sampling", SWITCHES),
    *each("max_tree_depth", COUNTS, optional=True),
    *each("max_plate_nesting", [x for x in COUNTS if x != 0], optional=True),
    *each("full_mass", [3, "x", [1], np.ones(2)]),
    *each("transforms", ["a", 3, [1], {1: 2}]),
    *each("jit_options", ["a", 3, {1: 2}]),
    *each("temperatures", [1, *COUNTS], optional=True),
    *each("reference_fn", [3, "x", [], {}], said="reference_fn must be callable, got"),
    ({"min_stepsize": 2.0, "max_stepsize": 1.0}, "got 2.0 and 1.0"),
    ({"potential_fn": gaussian}, "Exactly one of model and potential_fn must be given, got both"),
]


@pytest.mark.parametrize(("given", "said"), OPTIONS + OWN)
def test_kernels(given, said):
    assert_refused(lambda: FHL(**{"model": model, **given}), said)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        *each("num_samples", [*COUNTS[:8], -1, BIG]),
        *each("warmup_steps", [*COUNTS[:8], -1, BIG], optional=True),
        *each("num_chains", COUNTS),
        *each("hook_fn", [3, "a", {}]),
        *each("chain_method", ["parallel", None, 3]),
        *each("transforms", ["a", {1: 2}]),
        *each("transforms", [{"mu": None}, {"mu": abs}], said="transforms['mu'] must be"),
        *each("initial_params", ["a", [1.0], {1: 2}]),
        *each("save_params", ["mu", 3, [3]]),
        *each("kernel", ["a", None, pyro.infer.NUTS(model)]),
    ],
)
def test_runs(given, said):
    assert_refused(lambda: MCMC(**{"kernel": FHL(model), "num_samples": 3, **given}), said)


@pytest.mark.parametrize(("given", "said"), METRICS)
def test_metrics(given, said):
    assert_refused(lambda: run(FHL(model, **{"dense_mass": True, **given}), DATA), said)


ZEROS = torch.zeros(4)


@pytest.mark.parametrize(
    ("starts", "said"),
    [
        ({}, "initial_params must be a dict with sites ['mu', 's']"),
        ({"mu": ZEROS}, "initial_params must be a dict with sites ['mu', 's']"),
        ({"mu": ZEROS, "s": "a"}, "initial_params['s'] must be a tensor of real numbers, got 'a'"),
        ({"mu": ZEROS, "s": None}, "initial_params['s'] must be a tensor of real numbers"),
        ({"mu": ZEROS, "s": 1j * ZEROS}, "initial_params['s'] must be a tensor of real numbers"),
        ({"mu": [[1], [1, 2]], "s": ZEROS}, "initial_params['mu'] must be a tensor"),
        ({"mu": ZEROS, "s": torch.tensor(0.0)}, "the same leading axes"),
        ({"mu": ZEROS[:3], "s": ZEROS[:3]}, "initial_params must have the shapes of one particle"),
        ({"mu": ZEROS[0] / 0, "s": ZEROS[0]}, "initial_params of particle 0 must have finite"),
        ({"mu": ZEROS[0] + 1e30, "s": ZEROS[0]}, "initial_params of particle 0 must have finite"),
    ],
)
def test_starts(starts, said):
    assert_refused(lambda: run(FHL(model), DATA, initial_params=starts), said)


@pytest.mark.parametrize(
    ("starts", "said"),
    [
        (None, "initial_params must be given with potential_fn"),
        ({}, "there is nothing to sample"),
        ({"x": "aaaa"}, "initial_params['x'] must be a tensor of real numbers, got 'aaaa'"),
        ({"x": None}, "initial_params['x'] must be a tensor of real numbers, got None"),
        ({"x": torch.ones(2)}, "initial_params['x'] must have 4 particles as its first axis"),
        ({"x": 1.0}, "initial_params['x'] must have 4 particles as its first axis"),
        ({"x": torch.ones(4, 0)}, "all continuous latent sites are empty"),
        ({"x": torch.ones(4, 2).half()}, "site 'x' must be a tensor of float32 or float64"),
        ({"x": torch.ones(4, 2).int()}, "site 'x' must be a tensor of float32 or float64"),
    ],
)
def test_starts_of_potentials(starts, said):
    assert_refused(lambda: run(FHL(potential_fn=gaussian), initial_params=starts), said)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (lambda z: None, "must be a scalar tensor, got NoneType"),
        (lambda z: "a", "must be a scalar tensor, got str"),
        (lambda z: 1.0, "must be a scalar tensor, got float"),
        (lambda z: (gaussian(z),), "must be a scalar tensor, got tuple"),
        (lambda z: z["x"], "must be a scalar tensor, got shape (2,)"),
        (lambda z: z["x"][:0], "must be a scalar tensor, got shape (0,)"),
        (lambda z: 1j * gaussian(z), "must be real, got torch.complex64"),
        (lambda z: gaussian(z) * torch.nan, "must have finite potential and gradient"),
        (lambda z: gaussian(z) + torch.randn(()), "the potential is random"),
    ],
)
def test_potentials(value, said):
    assert_refused(lambda: run(FHL(potential_fn=value), initial_params=FOUR), said)


@pytest.mark.parametrize(
    ("force", "said"),
    [
        (lambda z: None, "the result of gradient_fn must be a dict with sites ['x'], got NoneType"),
        (lambda z: z["x"], "must be a dict with sites ['x'], got Tensor"),
        (lambda z: {"y": z["x"]}, "must be a dict with sites ['x'], got ['y']"),
        (lambda z: {"x": z["x"][:1]}, "must have a shape that ends in (2,), got (1,)"),
        (lambda z: {"x": 1j * z["x"]}, "gradient_fn['x'] must be a tensor of real numbers"),
        (lambda z: {"x": None}, "gradient_fn['x'] must be a tensor of real numbers, got None"),
        (lambda z: {"x": "ab"}, "gradient_fn['x'] must be a tensor of real numbers, got 'ab'"),
        (lambda z: {"x": torch.randn(2)}, "gradient_fn is random"),
    ],
)
def test_forces(force, said):
    kernel = FHL(potential_fn=gaussian, gradient_fn=force)
    assert_refused(lambda: run(kernel, initial_params=FOUR), said)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model": batches(0)}, "a plate of the model has a subsample_size of 0"),
        ({"model": batches(0), "minibatch": True}, "has a subsample_size of 0"),
        ({"model": batches(5)}, "plate 'rows' draws 5 of 10"),
        ({"model": batches(10), "minibatch": True}, "needs a plate that subsamples"),
        ({"anchor": "a"}, "anchor must be a dict with sites ['m'], got str"),
        ({"anchor": {}}, "anchor must be a dict with sites ['m'], got []"),
        ({"anchor": {"m": "a"}}, "anchor['m'] must be a tensor of real numbers, got 'a'"),
        ({"anchor": {"m": torch.ones(2)}}, "anchor must hold one finite unconstrained value"),
        ({"anchor": {"m": torch.tensor(torch.nan)}}, "anchor must hold one finite unconstrained"),
    ],
)
def test_batches(given, said):
    given = {"model": batches(5), "minibatch": "anchor" in given, **given}
    assert_refused(lambda: run(FHL(**given)), said)


@pytest.fixture(scope="module")
def saved():
    return run(FHL(model), DATA).state_dict()


ENTRIES = ("settings", "iteration", "particles", "learnt", "generator", "draws_used")


@pytest.mark.parametrize("value", [None, "a", -1, {}, "left out"])
@pytest.mark.parametrize("entry", ["version", *ENTRIES])
def test_states(saved, entry, value):
    broken = {**saved, entry: value}
    if value == "left out":
        del broken[entry]
    mcmc = MCMC(FHL(model), 2, 2, num_chains=4, disable_progbar=True)

    def resume():
        mcmc.load_state_dict(broken)
        mcmc.run(DATA)

    assert_refused(resume, "state")


@pytest.mark.parametrize("number", ["a", 1.5, 0, -1])
def test_what_is_asked_of_a_run(number):
    mcmc = MCMC(FHL(model), 3)
    assert_refused(lambda: mcmc.get_samples(number), "num_samples must be")
    assert_refused(lambda: mcmc.summary(prob=number), "prob must be")


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.text(max_size=1), max_size=2),
    st.dictionaries(st.text(max_size=1), st.floats(), max_size=2),
    st.builds(np.ones, st.integers(0, 2)),
    st.builds(torch.ones, st.integers(0, 2)),
)
NAMES = [*{name for case, _ in OPTIONS + OWN for name in case} - {"model", "potential_fn"}]


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING, min_size=1, max_size=3))
def test_any_arguments_are_taken_or_refused(arguments):
    assert_taken_or_refused(partial(FHL, model), arguments)
