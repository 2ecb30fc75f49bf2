"""What cannot be is refused with the argument, the value and a remedy, before a run begins."""

import pyro
import pyro.distributions as dist
import pytest
import torch

from fhl_ppl.pyro import FHL, MCMC

DATA = torch.tensor([1.0, 2.0, 3.0, 2.0])
START = {"x": torch.zeros(2)}


def model(y):
    mu = pyro.sample("mu", dist.Normal(torch.tensor(0.0), 10.0))
    with pyro.plate("data", len(y)):
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def gaussian(sites):
    return (sites["x"] ** 2).sum() / 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"init_strategy": "median"}, "init_strategy must be a function .*'median'"),
        ({"gradient_fn": "x"}, "gradient_fn must be callable, got 'x'"),
        ({"min_stepsize": "a"}, "min_stepsize must be a number, got 'a'"),
        ({"max_stepsize": -1.0}, "max_stepsize must be positive, got -1.0"),
        ({"max_plate_nesting": -1}, "max_plate_nesting must be at least 0, got -1"),
        ({"max_plate_nesting": 1.5}, "max_plate_nesting must be a whole number, got 1.5"),
        ({"transforms": "a"}, "transforms must be a dict .*'a'"),
        ({"transforms": {1: None}}, "transforms must be a dict from site names"),
        ({"jit_options": "a"}, "jit_options must be a dict"),
        ({"step_size": torch.ones(2)}, "step_size must be a number"),
        ({"step_size": torch.tensor(-1.0)}, "step_size must be positive, got -1.0"),
    ],
)
def test_arguments_of_the_kernel(settings, message):
    with pytest.raises((TypeError, ValueError), match=message):
        FHL(model, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_samples": "3"}, "num_samples must be a whole number, got '3'"),
        ({"num_samples": 2.5}, "num_samples must be a whole number, got 2.5"),
        ({"num_samples": -1}, "num_samples must be at least 0, got -1"),
        ({"warmup_steps": 1.0}, "warmup_steps must be a whole number, got 1.0"),
        ({"num_chains": 0}, "num_chains must be at least 1, got 0"),
        ({"hook_fn": 3}, "hook_fn must be a function .* got 3"),
        ({"transforms": "a"}, "transforms must be a dict .*'a'"),
        ({"initial_params": [1.0]}, "initial_params must be a dict"),
    ],
)
def test_arguments_of_a_run(settings, message):
    with pytest.raises((TypeError, ValueError), match=message):
        MCMC(FHL(model), **{"num_samples": 3, **settings})


def half(_):
    pyro.sample("x", dist.Normal(torch.zeros(2, dtype=torch.float16), 1.0).to_event(1))


def empty(_):
    pyro.sample("x", dist.Normal(torch.zeros(0), 1.0).to_event(1))


def nothing(_):
    pyro.sample("y", dist.Normal(0.0, 1.0), obs=torch.tensor(1.0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": half}, "site 'x' must be a tensor of float32 or float64, got torch.float16"),
        ({"model": empty}, r"all continuous latent sites are empty, {'x': \(0,\)}"),
        ({"model": model, "transforms": {"nu": None}}, r"sites of \['mu'\], got \['nu'\]"),
    ],
)
def test_models(settings, message):
    mcmc = MCMC(FHL(**settings), 3, 3, disable_progbar=True)
    with pytest.raises(ValueError, match=message):
        mcmc.run(DATA)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"potential_fn": lambda z: torch.complex(gaussian(z), gaussian(z))}, "must be real"),
        ({"potential_fn": lambda z: z["x"]}, r"must be a scalar tensor, got shape \(2,\)"),
        ({"transforms": {"y": None}}, r"sites of \['x'\], got \['y'\]"),
    ],
)
def test_potentials(settings, message):
    kernel = FHL(**{"potential_fn": gaussian, **settings})
    mcmc = MCMC(kernel, 3, 3, initial_params=START, disable_progbar=True)
    with pytest.raises(ValueError, match=message):
        mcmc.run()


@pytest.mark.parametrize("step_size", [None, torch.tensor(0.5), torch.tensor([0.5])])
def test_step_sizes_that_nuts_takes(step_size):
    expected = 1.0 if step_size is None else 0.5
    assert FHL(model, step_size=step_size).options.step_size == expected


@pytest.mark.parametrize("state", [{}, "state", None, 3])
def test_states_that_are_none(state):
    with pytest.raises((TypeError, ValueError), match=r"MCMC\.state_dict"):
        MCMC(FHL(model), 3).load_state_dict(state)


def test_a_state_of_other_data():
    first = MCMC(FHL(model), 3, 3, disable_progbar=True)
    first.run(DATA)
    second = MCMC(FHL(model), 3, 3, disable_progbar=True)
    second.load_state_dict(first.state_dict())
    with pytest.raises(ValueError, match=r"from other data, .* particle 0 was .* there and is"):
        second.run(DATA + 10)


def test_a_model_with_nothing_to_sample_runs_as_with_nuts(capsys):
    mcmc = MCMC(FHL(nothing), 3, 3, num_chains=4, disable_progbar=True)
    with pytest.warns(UserWarning, match="no continuous latent site.*draws are of no sites"):
        mcmc.run(DATA)
    assert mcmc.get_samples() == mcmc.diagnostics() == {}
    mcmc.summary()
    with pytest.raises(RuntimeError, match="needs a model with a continuous latent site"):
        mcmc.state_dict()


def wrong_shapes(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    pyro.sample("y", dist.Normal(mu, 1.0), obs=torch.zeros(3) @ torch.zeros(4))


def wrong_later(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    if mu > 2.0:  # starts are below
        raise KeyError("mine")
    pyro.sample("y", dist.Normal(mu, 1.0), obs=y)


@pytest.mark.parametrize(
    ("settings", "error", "whose"),
    [
        ({"model": wrong_shapes}, RuntimeError, "the model"),
        ({"model": wrong_later}, KeyError, "the potential"),
        ({"potential_fn": lambda z: z["y"]}, KeyError, "the potential"),
        (
            {"potential_fn": gaussian, "gradient_fn": lambda z: 1 / 0},
            ZeroDivisionError,
            "gradient_fn",
        ),
    ],
)
def test_errors_of_the_users_code_are_the_users(settings, error, whose):
    kernel = FHL(**settings)
    given = {"initial_params": START} if "potential_fn" in settings else {}
    mcmc = MCMC(kernel, 100, 100, disable_progbar=True, **given)
    with pytest.raises(error) as caught:
        mcmc.run(*(() if given else (torch.tensor(3.5),)))
    (note,) = caught.value.__notes__
    assert note.startswith(f"fhl_ppl: raised by {whose}, in {__file__}, line ")
    # The traceback ends where the user's error is.
    assert "test_errors.py" in str(caught.traceback[-1].path) or error is RuntimeError


def test_errors_of_ours_are_not_said_to_be_the_users():
    with pytest.raises(ValueError, match="must be a scalar") as caught:
        MCMC(FHL(potential_fn=lambda z: z["x"]), 3, initial_params=START).run()
    # Broken on purpose: were nobody's code ours, it would have a note.
    assert not hasattr(caught.value, "__notes__")
