"""`fhl_ppl.run` on `fhl_ppl.pyro.MCMC`: the draws of its own `run`, and what is made of them."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import fhl_ppl
from fhl_ppl import Until
from fhl_ppl.pyro import FHL, MCMC
from fhl_ppl.pyro.blocks import PyroSampling
from fhl_ppl.runs import kept
from tests.conftest import importorskip
from tests.pyro.small import gaussian, model, noisy

DATA = torch.tensor([1.0, 2.0, 3.0, 2.0])


def make(num_samples=60, num_chains=8, kernel=(), **options):
    options = {"disable_progbar": True, "warmup_steps": 50} | options
    return MCMC(FHL(model, **dict(kernel)), num_samples, num_chains=num_chains, **options)


def plain_run(mcmc):
    pyro.set_rng_seed(0)
    mcmc.run(DATA)
    return mcmc


def run(mcmc, *args, **options):
    pyro.set_rng_seed(0)
    return fhl_ppl.run(mcmc, *args or (DATA,), **options)


def draws(mcmc):
    return {k: v.numpy() for k, v in mcmc.get_samples(group_by_chain=True).items()}


def assert_same(left, right):
    """The draws, and every number of the diagnostics."""
    for one, other in ((draws(left), draws(right)), (left.diagnostics(), right.diagnostics())):
        assert list(one) == list(other)
        for name, value in one.items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(value, other[name], err_msg=name)
    assert left.diagnostics()["acceptance rate"] == right.diagnostics()["acceptance rate"]


@pytest.mark.parametrize("num_chains", [8, 1])
def test_the_draws_are_those_of_an_undisturbed_run(num_chains):
    kernel = {"keep_companions": num_chains == 1}
    plain, in_blocks = (
        make(num_chains=num_chains, kernel=kernel),
        make(num_chains=num_chains, kernel=kernel),
    )
    plain_run(plain)
    status = run(in_blocks, block=17)
    assert (status.draws, status.stopped) == (60, "draws")
    assert_same(plain, in_blocks)
    for name, value in plain.diagnostics().get("companions", {}).items():
        np.testing.assert_array_equal(value, in_blocks.diagnostics()["companions"][name])


def test_looking_on_changes_nothing():
    """Neither ESS nor a callback that reads all draws takes random numbers or moves a particle."""
    importorskip("arviz")
    plain, watched = make(300), make(300)
    plain_run(plain)
    seen = []

    def callback(status):
        seen.append((draws(watched)["mu"].shape[1], watched.diagnostics()["energy"].shape[1]))

    status = run(watched, until=Until(ess=1e6, draws=300), callback=callback)
    assert seen == [(50, 50), (100, 100), (150, 150), (200, 200), (250, 250), (300, 300)]
    assert status.quality.ess > 0
    assert_same(plain, watched)


def test_a_disturbance_would_be_seen():
    plain, disturbed = make(), make()
    plain_run(plain)

    def callback(status):
        engine = disturbed._chains.engine
        engine.state = engine.state._replace(position=engine.state.position + 1e-6)

    run(disturbed, callback=callback, block=20)
    with pytest.raises(AssertionError):
        assert_same(plain, disturbed)


def test_what_reads_a_run_reads_this():
    importorskip("arviz")
    mcmc = make()
    run(mcmc, until=Until(draws=130))
    data = fhl_ppl.to_arviz(mcmc)
    assert dict(data["posterior"].sizes) == {"chain": 8, "draw": 130, "scale_dim_0": 2}
    assert "lp" in data["sample_stats"]
    assert fhl_ppl.summary(mcmc, show=False).shape[0] == 3
    mcmc.summary()


def test_gradients_are_counted():
    mcmc = make(warmup_steps=0)
    status = run(mcmc)
    assert status.gradients == mcmc.diagnostics()["n_steps"].sum()


def test_hooks_are_called_as_ever():
    calls = {}
    for how in (plain_run, lambda mcmc: run(mcmc, block=7)):
        seen = calls.setdefault(len(calls), [])
        how(make(hook_fn=lambda *args, seen=seen: seen.append(args[2:])))
    assert calls[0] == calls[1]


def test_an_interrupt_keeps_every_draw():
    """Ctrl-C in the middle of a block, as it comes from a terminal."""

    def hook(kernel, samples, stage, i):
        if (stage, i) == ("Sample", 24):
            os.kill(os.getpid(), signal.SIGINT)

    mcmc, plain = make(hook_fn=hook), make()
    status = run(mcmc, block=20)
    plain_run(plain)
    assert (status.stopped, status.draws) == ("interrupt", 25)
    np.testing.assert_array_equal(draws(mcmc)["mu"], draws(plain)["mu"][:, :25])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"until": 400}, "until must be a fhl_ppl.Until or None, got 400"),
        ({"callback": 3}, "callback must be a function"),
        ({"block": 0}, "block must be a whole number of iterations from 1, got 0"),
        ({"block": 2.5}, "block must be a whole number"),
        ({"store": 5}, "store must be a path, or None, got 5"),
        ({"warm_start": [1]}, r"warm_start must be a path, or None, got \[1\]"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        run(make(), **arguments)


def test_other_things_are_refused():
    with pytest.raises(TypeError, match=r"mcmc must be a fhl_ppl.pyro.MCMC .* got pyro.infer"):
        fhl_ppl.run(pyro.infer.MCMC(FHL(model), 10), DATA)
    with pytest.raises(TypeError, match=r"mcmc must be a numpyro.infer.MCMC, .* got int"):
        fhl_ppl.run(3, DATA)


class TestStore:
    """What is stored goes on as if it had never been interrupted."""

    @pytest.fixture(autouse=True)
    def _needs(self):
        importorskip("arviz")
        importorskip("zarr")

    def test_a_run_that_was_killed_goes_on(self, tmp_path):
        check_kills(tmp_path, [40.1, 33.9], "")

    @pytest.mark.slow
    def test_fifty_kills_at_random_moments(self, tmp_path):
        for seed in range(10):
            moments = np.random.default_rng(seed).uniform(16, 40, 5)
            check_kills(tmp_path / str(seed), moments, "")

    @pytest.mark.slow
    @pytest.mark.parametrize("kernel", ["noisy", "low rank", "charts"])
    def test_other_kernels(self, tmp_path, kernel):
        check_kills(tmp_path, [40.1, 33.9], kernel)

    @pytest.mark.parametrize(
        "kernel",
        [
            {"noisy_gradient": True, "potential_fn": gaussian, "gradient_fn": noisy},
            {"model": model, "jumps": False},
            {"model": model, "temperatures": 3},
            {"model": model, "dense_mass": True, "search": False},
        ],
        ids=["noisy", "no jumps", "tempered", "dense"],
    )
    def test_states_of_every_kind_come_back(self, tmp_path, kernel):
        """Those without an archive of modes too, say, where an entry of the state is empty."""
        args, start = (DATA,), None
        if "potential_fn" in kernel:
            args, start = (), {"x": torch.linspace(-1.0, 1.0, 16).reshape(8, 2)}

        def run_one(**options):
            mcmc = MCMC(FHL(**kernel), 20, 20, start, num_chains=8, disable_progbar=True)
            pyro.set_rng_seed(0)
            fhl_ppl.run(mcmc, *args, block=10, **options)
            return mcmc

        undisturbed = run_one()
        run_one(store=tmp_path, until=Until(draws=10))
        assert_same(undisturbed, run_one(store=tmp_path))

    def test_a_warm_up_that_ends_early_goes_on(self, tmp_path, monkeypatch):
        """Alike whether it was killed before that was decided."""
        monkeypatch.setattr(kept, "PATIENCE", 0)

        class Killed(Exception):
            pass

        long, early = {"warmup_steps": 400}, {"early_warmup": True}
        undisturbed, again = make(**long), make(**long)
        status = run(undisturbed, **early)
        assert status.warmup < 400

        def killed(sampling, block, real=PyroSampling.hasten):
            if sampling.warmup_done == status.warmup - 50:
                raise Killed
            real(sampling, block)

        with monkeypatch.context() as patch:
            patch.setattr(PyroSampling, "hasten", killed)
            with pytest.raises(Killed):
                run(make(**long), store=tmp_path, **early)
        assert run(again, store=tmp_path, **early).warmup == status.warmup
        assert_same(undisturbed, again)
        with pytest.raises(ValueError, match="early_warmup was True and is False"):
            run(make(**long), store=tmp_path)

    def test_it_holds_what_the_run_holds(self, tmp_path):
        stored, plain = make(), plain_run(make())
        run(stored, store=tmp_path / "run", block=20)
        assert_same(plain, stored)
        again = make()
        assert run(again, store=tmp_path / "run").draws == 60
        assert_same(plain, again)
        data, straight = fhl_ppl.open_store(tmp_path / "run"), fhl_ppl.to_arviz(plain)
        for group in ("posterior", "sample_stats"):
            assert set(data[group].variables) == set(straight[group].variables)
            for name, value in straight[group].variables.items():
                np.testing.assert_array_equal(data[group][name], value)
            ours = set(straight[group].attrs) - {"inference_library", "inference_library_version"}
            assert ours <= set(data[group].attrs)

    def test_what_differs_is_named(self, tmp_path):
        run(make(), store=tmp_path)
        for other, args, what in [
            (make(num_chains=4), (DATA,), "num_chains was 8 and is 4"),
            (make(), (DATA + 1,), "data was"),
            (make(warmup_steps=40), (DATA,), "warmup_steps was 50 and is 40"),
            (make(kernel={"group_size": 2}), (DATA,), "group_size was '4' and is '2'"),
        ]:
            with pytest.raises(ValueError, match=f"is of another run: .*{what}"):
                fhl_ppl.run(other, *args, store=tmp_path)

    def test_another_model_of_the_same_sites_is_refused(self, tmp_path):
        def other(y):
            mu = pyro.sample("mu", dist.Normal(torch.tensor(1.0), 3.0))
            scale = pyro.sample("scale", dist.HalfNormal(torch.ones(2)).to_event(1))
            with pyro.plate("data", len(y)):
                pyro.sample("y", dist.Normal(mu, scale.sum()), obs=y)

        run(make(), store=tmp_path)
        mcmc = MCMC(FHL(other), 60, warmup_steps=50, num_chains=8, disable_progbar=True)
        with pytest.raises(ValueError, match=r"from other data, or another model: .* energy"):
            fhl_ppl.run(mcmc, DATA, store=tmp_path)

    def test_memory_alone_is_needed_without_a_store(self):
        with pytest.raises(ValueError, match="keep_draws=False needs a store"):
            run(make(), keep_draws=False)

    def test_a_warm_start(self, tmp_path):
        """Other data far away, and more chains: from the former places with the former metric."""
        former = make()
        run(former, store=tmp_path)
        mcmc, seen = make(num_chains=10, num_samples=5, warmup_steps=0), []
        given = mcmc._initial_params, mcmc.kernel._inverse_mass_matrix
        mcmc._hook = lambda kernel, samples, stage, i: seen.append(mcmc._chains.engine)
        run(mcmc, DATA + 0.1, warm_start=tmp_path)
        expected = former.diagnostics()["inverse_mass_matrix"]
        np.testing.assert_array_equal(seen[0].inverse_mass_matrix(), expected)
        start = mcmc._chains.problem.transforms["scale"].inv(
            mcmc._chains.problem.layout.unflatten(mcmc._chains.problem.position)["scale"]
        )
        last = draws(former)["scale"][:, -1]
        np.testing.assert_array_equal(start, np.concatenate([last, last[:2]]))
        assert (mcmc._initial_params, mcmc.kernel._inverse_mass_matrix) == given
        with pytest.raises(ValueError, match=r"warm_start='.*' has no run in it"):
            run(make(), warm_start=tmp_path / "nothing")

    def test_without_draws_in_memory(self, tmp_path):
        mcmc = make()
        run(mcmc, store=tmp_path, keep_draws=False)
        with pytest.raises(RuntimeError, match="in a store alone"):
            mcmc.get_samples()
        posterior = fhl_ppl.open_store(tmp_path)["posterior"]
        np.testing.assert_array_equal(posterior["mu"], draws(plain_run(make()))["mu"])


def check_kills(folder, moments, kernel):
    """Kill runs after so many iterations; then let one end."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.pyro.stored_run", kernel, folder, *map(str, moments)]
    # Threads of the linear algebra do not survive that a process is forked.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    undisturbed, killed = json.loads(run.stdout.splitlines()[-1])
    assert killed["draws"] == undisturbed["draws"]
    # Something had been done before the last run.
    assert killed["iterations"] < undisturbed["iterations"]


def test_a_run_that_keeps_no_draws_says_the_same_of_them():
    plain, none = plain_run(make(num_chains=16)), make(num_chains=16)
    pyro.set_rng_seed(0)
    found = fhl_ppl.stream(none, DATA, superchains=None)
    for name, value in draws(plain).items():
        np.testing.assert_allclose(found.mean[name], value.mean(axis=(0, 1)), rtol=1e-5)
        np.testing.assert_allclose(found.last[name], value[:, -1])
    assert found.status.draws == 60
    assert not none._chains.record.statistics()
    with pytest.raises(RuntimeError, match="needs draws"):
        none.get_samples()
    assert fhl_ppl.stream(make(num_chains=16), DATA, superchains=2).status.draws == 60
