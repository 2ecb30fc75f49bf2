"""`FHL` in Pyro's own MCMC classes: one chain with private companions."""

import multiprocessing
import pickle
import warnings

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import MCMC
from pyro.infer.autoguide.initialization import init_to_value
from pyro.infer.mcmc.api import StreamingMCMC
from torch.distributions.transforms import AffineTransform

from fhl_ppl.core.statistics import MEANINGS
from fhl_ppl.pyro import FHL

DATA = torch.tensor([1.0, 2.0, 3.0, 2.0])
FIELDS = set(MEANINGS)


def model(y):
    mu = pyro.sample("mu", dist.Normal(torch.tensor(0.0), 10.0))
    scale = pyro.sample("scale", dist.HalfNormal(torch.tensor(1.0)))
    with pyro.plate("data", len(y)):
        pyro.sample("y", dist.Normal(mu, scale), obs=y)


def gaussian(sites):
    return ((sites["x"] - 3.0) ** 2).sum() / 2


def draws_of(kernel, num_samples=20, warmup_steps=20, seed=0, **options):
    pyro.set_rng_seed(seed)
    mcmc = MCMC(kernel, num_samples, warmup_steps, disable_progbar=True, **options)
    mcmc.run(DATA)
    return mcmc


def assert_same(left, right):
    assert set(left) == set(right)
    for name in left:
        np.testing.assert_array_equal(left[name], right[name])


def test_posterior_is_right():
    kernel = FHL(potential_fn=gaussian)
    pyro.set_rng_seed(0)
    start = {"x": torch.zeros(2)}
    mcmc = MCMC(kernel, 1000, 200, initial_params=start, disable_progbar=True)
    mcmc.run()
    x = mcmc.get_samples()["x"]
    # Five standard errors for draws as good as independent every fourth.
    np.testing.assert_allclose(x.mean(0), [3.0, 3.0], atol=5 / np.sqrt(250))
    np.testing.assert_allclose(x.var(0), [1.0, 1.0], atol=5 * np.sqrt(2 / 250))


def test_same_seed_same_draws_and_other_seed_others():
    first = draws_of(FHL(model)).get_samples()
    assert_same(first, draws_of(FHL(model)).get_samples())
    other = draws_of(FHL(model), seed=1).get_samples()
    assert (first["mu"] != other["mu"]).any()


def test_a_kernel_can_be_used_again():
    kernel = FHL(model)
    first = draws_of(kernel)
    assert_same(first.get_samples(), draws_of(kernel).get_samples())
    assert_same(first.get_samples(), draws_of(pickle.loads(pickle.dumps(kernel))).get_samples())


def test_several_chains_one_after_the_other_differ():
    with pytest.warns(UserWarning, match="available_cpu"):
        mcmc = draws_of(FHL(model), num_chains=multiprocessing.cpu_count() + 1)
    draws = mcmc.get_samples(group_by_chain=True)["mu"]
    assert len(draws[:, -1].unique()) == len(draws)


@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver"])
def test_chains_in_processes(monkeypatch, context):
    monkeypatch.setattr("pyro.infer.mcmc.api.mp.cpu_count", lambda: 3)
    mcmc = draws_of(FHL(model), num_samples=5, warmup_steps=5, num_chains=2, mp_context=context)
    draws = mcmc.get_samples(group_by_chain=True)
    assert draws["mu"].shape == (2, 5)
    assert (draws["scale"] > 0).all()
    assert (draws["mu"][0] != draws["mu"][1]).any()
    diagnostics = mcmc.diagnostics()
    assert diagnostics["energy"]["chain 1"].shape == (5,)
    # As for one chain in this process, with the seed of the second chain.
    assert_same(
        {"mu": draws["mu"][1]},
        {"mu": draws_of(FHL(model), 5, 5, seed=1).get_samples()["mu"]},
    )


def test_a_forked_chain_uses_one_thread(monkeypatch):
    """OpenMP in a forked process waits for ever for threads that only the parent has."""
    counts = []
    monkeypatch.setattr(torch, "set_num_threads", counts.append)
    kernel = FHL(model)
    kernel.setup(0, DATA)
    copy = pickle.loads(pickle.dumps(kernel))
    monkeypatch.setattr("os.getpid", lambda: -1)
    pickle.loads(pickle.dumps(kernel)).setup(0, DATA)
    assert counts == []
    copy.setup(0, DATA)
    assert counts == [1]


def test_streaming():
    pyro.set_rng_seed(0)
    mcmc = StreamingMCMC(FHL(model), 20, 20, num_chains=2, disable_progbar=True)
    mcmc.run(DATA)
    kept = draws_of(FHL(model)).get_samples()
    statistics = mcmc.get_statistics()
    np.testing.assert_allclose(statistics[0, "mu"]["mean"], kept["mu"].mean(), rtol=1e-5)
    assert "r_hat" in mcmc.diagnostics()["mu"]


def test_hook_save_params_and_transforms():
    seen = []

    def hook(kernel, params, stage, i):
        seen.append((stage, i, params["scale"].clone()))
        assert set(kernel.logging()) == {"step size", "acc. prob", "pull"}

    mcmc = draws_of(FHL(model), 4, 3, hook_fn=hook, save_params=["scale"])
    assert [entry[:2] for entry in seen] == [
        *(("Warmup", i) for i in range(3)),
        *(("Sample", i) for i in range(4)),
    ]
    samples = mcmc.get_samples()
    assert set(samples) == {"scale"}
    unconstrained = torch.stack([entry[2] for entry in seen[3:]])
    np.testing.assert_allclose(samples["scale"], unconstrained.exp(), rtol=1e-6)


def test_transforms_of_ones_own_change_the_space_and_not_the_posterior():
    kernel = FHL(model, transforms={"mu": AffineTransform(0.0, 100.0)})
    mcmc = draws_of(kernel, 300, 300)
    assert kernel.transforms["mu"] == AffineTransform(0.0, 100.0)
    assert 1.0 < mcmc.get_samples()["mu"].mean() < 3.0


def test_diagnostics():
    mcmc = draws_of(FHL(model, group_size=3), 10, 10)
    diagnostics = mcmc.diagnostics()
    others = {"mu", "scale", "divergences", "acceptance rate", "inverse_mass_matrix", "tuned"}
    others |= {"evaluation", "parameters"}
    assert others | FIELDS == set(diagnostics)
    assert diagnostics["inverse_mass_matrix"]["chain 0"].shape == (2, 2)
    assert diagnostics["tuned"]["chain 0"].step_size > 0
    for name in FIELDS:
        assert diagnostics[name]["chain 0"].shape == (10,)
    assert 0 <= diagnostics["acceptance rate"]["chain 0"] <= 1
    diverging = np.flatnonzero(diagnostics["diverging"]["chain 0"])
    assert diagnostics["divergences"]["chain 0"] == diverging.tolist()
    mcmc.summary()


def test_divergences_are_counted():
    kernel = FHL(potential_fn=lambda z: 1e4 * gaussian(z), step_size=0.5, adapt_step_size=False)
    start = {"x": torch.tensor([3.0])}
    mcmc = MCMC(kernel, 30, 0, initial_params=start, disable_progbar=True)
    mcmc.run()
    assert len(mcmc.diagnostics()["divergences"]["chain 0"]) > 10


def test_companions_are_kept_if_asked():
    mcmc = draws_of(FHL(model, group_size=3, keep_companions=True), 10, 10)
    companions = mcmc.diagnostics()["companions"]["chain 0"]
    assert companions["scale"].shape == (10, 2)
    assert (companions["scale"] > 0).all()
    assert (companions["mu"][:, 0] != companions["mu"][:, 1]).all()


def test_initial_params_are_where_the_chain_starts():
    kernel = FHL(model)
    start = {"mu": torch.tensor(1.5), "scale": torch.tensor(0.25)}
    draws_of(kernel, 3, 3, initial_params=start)
    kernel.initial_params = start
    kernel.setup(0, DATA)
    assert_same(kernel.initial_params, start)
    kernel.cleanup()
    assert kernel.initial_params is None


def test_setup_alone_finds_transforms_and_records_nothing(monkeypatch):
    monkeypatch.setattr("fhl_ppl.pyro.kernel.make_engine", None)
    kernel = FHL(model)
    with pyro.validation_enabled(True):
        kernel.setup(0, DATA)
    assert set(kernel.transforms) == {"mu", "scale"}


def test_dense_mass_in_blocks():
    kernel = FHL(model, full_mass=[("mu", "scale")])
    draws_of(kernel, 5, 40)
    kernel = FHL(model, dense_mass=[("mu",)], group_size=2)
    kernel.setup(40, DATA)
    for _ in range(40):
        kernel.sample({})
    metric = kernel._chains.engine.learnt["metric"].inverse_mass_matrix
    assert metric.shape == (2, 2)
    assert metric[0, 1] == 0 != metric[0, 0]
    with pytest.raises(ValueError, match="dense_mass names 'sigma', which is no latent site"):
        draws_of(FHL(model, dense_mass=[("sigma",)]))


def test_step_size_stays_within_bounds():
    mcmc = draws_of(FHL(model, min_stepsize=0.01, max_stepsize=0.02), 10, 30)
    step_size = mcmc.diagnostics()["step_size"]["chain 0"]
    # Shortened a little, to reach T with a whole number of steps.
    assert (step_size <= 0.02 * (1 + 1e-6)).all()
    assert (step_size > 0.019).all()


@pytest.mark.parametrize("factor", [0.0, -1.0, 0.5])
def test_gradients_that_are_wrong(factor):
    kernel = FHL(potential_fn=gaussian, gradient_fn=lambda z: {"x": factor * (z["x"] - 3.0)})
    pyro.set_rng_seed(0)
    start = {"x": torch.zeros(1)}
    mcmc = MCMC(kernel, 3000, 300, initial_params=start, disable_progbar=True)
    mcmc.run()
    np.testing.assert_allclose(mcmc.get_samples()["x"].mean(), 3.0, atol=5 / np.sqrt(100))


def test_noisy_gradients_are_drawn_anew_every_time():
    values = []

    def noisy(sites):
        noise = torch.randn(())
        values.append(noise)
        return {"x": sites["x"] - 3.0 + noise}

    kernel = FHL(
        potential_fn=gaussian, gradient_fn=noisy, noisy_gradient=True, num_steps=2, jumps=False
    )
    pyro.set_rng_seed(0)
    start = {"x": torch.zeros(1)}
    mcmc = MCMC(kernel, 2000, 200, initial_params=start, disable_progbar=True)
    mcmc.run()
    # L steps and the one at the start, in every iteration.
    assert len(values) >= 2200 * 3
    np.testing.assert_allclose(mcmc.get_samples()["x"].mean(), 3.0, atol=5 / np.sqrt(100))


def test_noise_that_particles_share_is_refused():
    noise = 1.0 + torch.zeros(())
    kernel = FHL(
        potential_fn=gaussian, gradient_fn=lambda at: {"x": at["x"] + noise}, noisy_gradient=True
    )
    mcmc = MCMC(kernel, 10, 10, initial_params={"x": torch.zeros(1)}, disable_progbar=True)
    with pytest.raises(ValueError, match="8 particles at one point, the start, the same"):
        mcmc.run()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"group_size": 0}, "group_size must be at least 1"),
        ({"coupling": "tight"}, "coupling must be one of 'alternate', 'joint', got 'tight'"),
        ({"pulling_strength": -1.0}, "pulling_strength must be 0 .* got -1.0"),
        ({"num_steps": 3, "trajectory_length": 1.0}, "num_steps=3 and trajectory_length=1.0"),
        ({"target_accept_prob": 1.0}, "target_accept_prob must be in"),
        ({"step_size": 0.0}, "step_size must be positive"),
        ({"dense_mass": True, "full_mass": True}, "two names of one setting"),
        ({"min_stepsize": 1.0, "max_stepsize": 0.1}, "min_stepsize and max_stepsize"),
        ({"potential_fn": gaussian}, "Exactly one of model and potential_fn must be given, .*both"),
        ({"model": None}, "Exactly one of model and potential_fn must be given, got neither"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        FHL(**{"model": model, **settings})


def test_settings_that_are_ignored_or_biased_warn():
    with pytest.warns(UserWarning, match="max_tree_depth has no meaning .* max_num_steps"):
        FHL(model, max_tree_depth=5)
    with pytest.warns(UserWarning, match="use_multinomial_sampling has no meaning"):
        FHL(model, use_multinomial_sampling=False)
    with pytest.warns(UserWarning, match="adjusted=False .* biased"):
        FHL(model, adjusted=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FHL(model, ignore_jit_warnings=True, max_plate_nesting=1)


def test_a_potential_needs_a_start():
    mcmc = MCMC(FHL(potential_fn=gaussian), 5, 5, disable_progbar=True)
    with pytest.raises(ValueError, match="initial_params must be given with potential_fn"):
        mcmc.run()


def test_a_start_without_density_names_the_site():
    def broken(y):
        pyro.sample("mu", dist.Normal(torch.tensor(0.0), 1.0))
        pyro.sample("count", dist.LogNormal(torch.tensor(0.0), 1.0), obs=torch.tensor(-1.0))

    with pytest.raises(ValueError, match="observed site 'count'"):
        draws_of(FHL(broken))


def test_starts_follow_the_strategy():
    kernel = FHL(model, init_strategy=init_to_value(values={"mu": torch.tensor(7.0)}))
    kernel.setup(5, DATA)
    assert kernel.initial_params["mu"] == 7.0
