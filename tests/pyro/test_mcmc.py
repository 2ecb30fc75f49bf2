"""`fhl_ppl.pyro.MCMC`: Pyro's interface, with all chains in one process."""

import inspect
import logging

import numpy as np
import pyro
import pyro.distributions as dist
import pyro.infer
import pytest
import torch
from pyro.infer import config_enumerate
from torch.distributions.transforms import AffineTransform

from fhl_ppl.pyro import FHL, MCMC
from fhl_ppl.pyro.run.companions import say_what_they_cost
from tests.pyro.many_chains import CHAINS, DATA, assert_same, draws, made, ran
from tests.pyro.small import gaussian, model


@pytest.fixture(scope="module")
def finished():
    return ran()


def test_signature_is_that_of_pyro():
    theirs = inspect.signature(pyro.infer.MCMC).parameters
    ours = dict(inspect.signature(MCMC).parameters)
    assert ours.pop("chain_method").default == "vectorized"
    assert ours.pop("keep_warmup").default is False
    assert list(ours) == list(theirs)
    for name, parameter in theirs.items():
        assert (ours[name].default, ours[name].kind) == (parameter.default, parameter.kind)
    for method in ("run", "get_samples", "diagnostics", "summary"):
        expected = inspect.signature(getattr(pyro.infer.MCMC, method)).parameters
        found = inspect.signature(getattr(MCMC, method)).parameters
        assert {k: v.default for k, v in found.items()} == {
            k: v.default for k, v in expected.items()
        }


def test_every_particle_is_returned(finished):
    samples = draws(finished)
    assert {name: tuple(value.shape) for name, value in samples.items()} == {
        "mu": (CHAINS, 12),
        "scale": (CHAINS, 12, 2),
    }
    assert (samples["scale"] > 0).all()
    # Chains that are each other's copies would pass for particles as well.
    assert len(samples["mu"][:, -1].unique()) == CHAINS
    assert not any(value.requires_grad for value in samples.values())


def test_get_samples(finished):
    grouped = draws(finished)
    flat = finished.get_samples()
    assert_same(flat, {name: value.flatten(0, 1) for name, value in grouped.items()})
    some = finished.get_samples(num_samples=50)
    assert some["scale"].shape == (50, 2)
    assert set(some["mu"].tolist()) <= set(flat["mu"].tolist())
    assert finished.get_samples(5, group_by_chain=True)["scale"].shape == (CHAINS, 5, 2)


def test_a_site_of_size_zero_has_draws_of_size_zero():
    def with_nothing():
        pyro.sample("x", dist.Normal(0.0, 1.0))
        pyro.sample("none", dist.Normal(torch.zeros(0), 1.0).to_event(1))

    mcmc = made(FHL(with_nothing), 20, 5, CHAINS)
    mcmc.run()
    assert mcmc.get_samples()["none"].shape == (20 * CHAINS, 0)
    assert draws(mcmc)["none"].shape == (CHAINS, 20, 0)
    mcmc.summary()


def test_a_single_chain_has_companions_that_are_not_reported():
    mcmc = ran(FHL(model, keep_companions=True), num_chains=1)
    assert draws(mcmc)["mu"].shape == (1, 12)
    found = mcmc.diagnostics()
    assert found["energy"].shape == (1, 12)
    assert found["companions"]["scale"].shape == (12, 3, 2)
    assert (found["companions"]["scale"] > 0).all()


def test_what_draws_that_nobody_gets_cost_is_said_once(caplog):
    say_what_they_cost.cache_clear()
    short = {"num_samples": 1, "warmup_steps": 1}
    with caplog.at_level(logging.WARNING, "fhl_ppl"):
        ran(num_chains=4, **short)
        ran(FHL(model, group_size=1), num_chains=1, **short)
        ran(FHL(model, keep_companions=True), num_chains=1, **short)
        assert not caplog.records
        for _ in range(2):
            ran(num_chains=1, **short)
    (record,) = caplog.records
    assert "costs 4 gradients" in record.getMessage()
    assert "fhl_ppl.pyro.MCMC(..., num_chains=4)" in record.getMessage()


def moments_are_right(mcmc):
    x = mcmc.get_samples()["x"].numpy()
    # Five standard errors for draws as good as independent every fourth.
    count = len(x) / 4
    mean = np.abs(x.mean(0) - 3.0).max() < 5 / np.sqrt(count)
    return bool(mean and np.abs(x.var(0) - 1.0).max() < 5 * np.sqrt(2 / count))


def of_a_gaussian(**settings):
    pyro.set_rng_seed(0)
    start = {"x": torch.zeros(CHAINS, 2)}
    mcmc = made(FHL(potential_fn=gaussian, **settings), 300, 100, initial_params=start)
    mcmc.run()
    return mcmc


def test_posterior_is_right():
    assert moments_are_right(of_a_gaussian())


def test_without_the_metropolis_test_it_would_be_seen_to_be_wrong():
    with pytest.warns(UserWarning, match="biased"):
        mcmc = of_a_gaussian(
            adjusted=False,
            step_size=1.5,
            num_steps=3,
            adapt_step_size=False,
            adapt_mass_matrix=False,
        )
    assert not moments_are_right(mcmc)


def test_same_seed_same_draws_and_other_seed_others(finished):
    assert_same(draws(finished), draws(ran()))
    assert (draws(finished)["mu"] != draws(ran(seed=1))["mu"]).any()


def test_reruns_of_one_object():
    mcmc = made()
    pyro.set_rng_seed(0)
    mcmc.run(DATA)
    first = draws(mcmc)
    mcmc.run(DATA)
    assert (draws(mcmc)["mu"] != first["mu"]).any()
    pyro.set_rng_seed(0)
    mcmc.run(DATA)
    assert_same(first, draws(mcmc))
    # Other data, and as many as there were not before.
    mcmc.run(torch.full((9,), 50.0))
    assert draws(mcmc)["mu"][:, -1].mean() > 20
    assert mcmc.diagnostics()["energy"].shape == (CHAINS, 12)


def test_save_params(finished):
    mcmc = ran(save_params=["scale"])
    assert_same(draws(mcmc), {"scale": draws(finished)["scale"]})
    assert "mu" not in mcmc.diagnostics()
    with pytest.raises(ValueError, match=r"save_params names \['y'\], .* there are \['mu', 'sc"):
        ran(save_params=["scale", "y"])


def test_transforms(finished):
    doubled = {"mu": AffineTransform(0.0, 0.5)}
    mcmc = ran(transforms=doubled)
    assert mcmc.transforms is doubled
    np.testing.assert_allclose(draws(mcmc)["mu"], 2 * draws(finished)["mu"], rtol=1e-6)
    assert (draws(mcmc)["scale"] < 0).any()
    assert set(finished.transforms) == {"mu", "scale"}


def test_warm_up_is_as_long_as_the_sampling_by_default():
    assert MCMC(FHL(model), 7).warmup_steps == 7


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_everything_is_of_the_models_dtype(dtype):
    start = {"x": torch.zeros(4, 2, dtype=dtype)}
    mcmc = made(FHL(potential_fn=gaussian), 30, 60, 4, initial_params=start)
    mcmc.run()
    assert draws(mcmc)["x"].dtype == dtype
    engine = mcmc._chains.engine
    name = str(dtype).removeprefix("torch.")
    learnt = engine.learnt
    for value in (*engine.state, *learnt["metric"], learnt["step_size"].log_step_size):
        assert str(value.dtype).removeprefix("torch.") == name
    assert mcmc.diagnostics()["acceptance rate"]["chain 0"] > 0.4
    assert mcmc.diagnostics()["energy"].dtype == name


def test_a_gradient_that_fails_somewhere_is_no_force_there():
    def failing(sites):
        return {"x": torch.where(sites["x"] > 3.0, torch.nan, sites["x"] - 3.0)}

    mcmc = of_a_gaussian(gradient_fn=failing)
    assert moments_are_right(mcmc)
    assert not mcmc.diagnostics()["diverging"].any()


def test_compiled_on_request(finished):
    options = {"jit_compile": True, "jit_options": {"backend": "aot_eager"}}
    mcmc = ran(FHL(model, ignore_jit_warnings=True, **options))
    assert mcmc._chains.engine.potential.rung == "compile"
    assert draws(mcmc)["scale"].shape == draws(finished)["scale"].shape


@config_enumerate
def mixture(y):
    loc = pyro.sample("loc", dist.Normal(torch.zeros(2), 3.0).to_event(1))
    with pyro.plate("data", len(y)):
        z = pyro.sample("z", dist.Categorical(torch.ones(2) / 2))
        pyro.sample("y", dist.Normal(loc[z], 1.0), obs=y)


def test_max_plate_nesting_is_where_enumeration_starts():
    sites = {"loc": torch.tensor([0.5, 2.5])}
    found = []
    # Found out by running the model; as it is; more than needed.
    for nesting in (None, 1, 3):
        mcmc = ran(FHL(mixture, max_plate_nesting=nesting))
        assert draws(mcmc)["loc"].shape == (CHAINS, 12, 2)
        found.append(mcmc._chains.problem.potential_fn(sites).item())
    np.testing.assert_allclose(found, found[0], rtol=1e-6)
    with pytest.raises(ValueError, match=r"plate\('data'\)"):
        ran(FHL(mixture, max_plate_nesting=0))
