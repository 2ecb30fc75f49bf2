"""`fhl_ppl.pyro.MCMC`: Pyro's interface, with all chains in one process."""

import inspect
import io

import numpy as np
import pyro
import pyro.distributions as dist
import pyro.infer
import pytest
import torch
from pyro.infer import NUTS, config_enumerate
from torch.distributions.transforms import AffineTransform

from fhl_ppl.core.metrics.low_rank import LowRankMetric
from fhl_ppl.core.statistics import MEANINGS
from fhl_ppl.options import DENSE_LIMIT
from fhl_ppl.pyro import FHL, MCMC
from fhl_ppl.pyro.run.engine import Engine
from tests.pyro.small import gaussian, model, noisy

DATA = torch.tensor([1.0, 2.0, 3.0, 2.0])
CHAINS = 6
STATISTICS = set(MEANINGS)


def made(kernel=None, num_samples=12, warmup_steps=15, num_chains=CHAINS, **options):
    kernel = FHL(model) if kernel is None else kernel
    return MCMC(
        kernel,
        num_samples,
        warmup_steps,
        num_chains=num_chains,
        disable_progbar=True,
        **options,
    )


def ran(*args, seed=0, data=DATA, **kwargs):
    pyro.set_rng_seed(seed)
    mcmc = made(*args, **kwargs)
    mcmc.run(data)
    return mcmc


def draws(mcmc):
    return mcmc.get_samples(group_by_chain=True)


def assert_same(left, right):
    assert set(left) == set(right)
    for name in left:
        np.testing.assert_array_equal(left[name], right[name])


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


def test_a_single_chain_has_companions_that_are_not_reported():
    mcmc = ran(FHL(model, keep_companions=True), num_chains=1)
    assert draws(mcmc)["mu"].shape == (1, 12)
    found = mcmc.diagnostics()
    assert found["energy"].shape == (1, 12)
    assert found["companions"]["scale"].shape == (12, 3, 2)
    assert (found["companions"]["scale"] > 0).all()


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


def test_diagnostics(finished):
    found = finished.diagnostics()
    assert set(found) == STATISTICS | {
        *("mu", "scale", "divergences", "acceptance rate", "inverse_mass_matrix", "tuned"),
        "evaluation",
        "parameters",
    }
    assert found["evaluation"] == {"rung": "fx", "reason": ""}
    np.testing.assert_allclose(found["tuned"].move_weight.sum(), 1)
    assert found["inverse_mass_matrix"].shape == (3, 3)
    assert set(found["mu"]) == {"n_eff", "r_hat"}
    assert found["scale"]["r_hat"].shape == (2,)
    for name in STATISTICS:
        assert found[name].shape == (CHAINS, 12)
    np.testing.assert_array_equal(found["group"][:, 0], [0, 0, 0, 1, 1, 1])
    names = [f"chain {k}" for k in range(CHAINS)]
    assert list(found["divergences"]) == list(found["acceptance rate"]) == names
    for name, row in zip(names, found["diverging"], strict=True):
        assert found["divergences"][name] == np.flatnonzero(row).tolist()
        assert 0 <= found["acceptance rate"][name] <= 1
    # Each is as in the model: here the energy less that of the momentum.
    assert (found["energy"] >= found["potential_energy"]).all()


def test_energies_belong_to_the_draws(finished):
    samples, problem = draws(finished), finished._chains.problem
    sites = {name: problem.transforms[name](value) for name, value in samples.items()}
    for chain, draw in ((0, 0), (3, 5), (5, 11)):
        one = {name: value[chain, draw] for name, value in sites.items()}
        expected = finished.diagnostics()["potential_energy"][chain, draw]
        np.testing.assert_allclose(problem.potential_fn(one), expected, rtol=1e-4)


def test_summary(finished, capsys):
    finished.summary(prob=0.8)
    printed = capsys.readouterr().out
    for text in ("mu", "scale[0]", "scale[1]", "10.0%", "90.0%", "Number of divergences:"):
        assert text in printed


def test_many_chains_are_named_in_order():
    mcmc = ran(num_chains=12, num_samples=2, warmup_steps=2)
    names = list(mcmc.diagnostics()["divergences"])
    # ArviZ sorts them as text.
    assert names == sorted(names)
    assert names[:2] == ["chain 00", "chain 01"]


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


KERNELS = {
    "default": {},
    "joint": {"coupling": "joint"},
    "pulled": {"pulling_strength": 0.5},
    "diagonal": {"dense_mass": False, "num_steps": 3},
    "low rank": {"dense_mass": "low_rank"},
    "noisy": {"gradient_fn": noisy, "noisy_gradient": True},
}


class TestResume:
    """A run that is saved, and continued by another object, is the run without interruption."""

    def run(self, settings, num_samples, state=None, hook=None, runs=None):
        starts = {"x": torch.linspace(-1.0, 1.0, 2 * CHAINS).reshape(CHAINS, 2)}
        kernel = FHL(potential_fn=gaussian, **settings)
        mcmc = made(kernel, num_samples, 40, initial_params=starts, hook_fn=hook)
        if state is not None:
            mcmc.load_state_dict(state)
        if runs is not None:
            runs.append(mcmc)
        mcmc.run()
        return mcmc

    def saved(self, state):
        file = io.BytesIO()
        torch.save(state, file)
        file.seek(0)
        return torch.load(file, weights_only=True)

    def halves(self, settings, at):
        """The draws of a whole run, and of one interrupted after so many iterations."""
        states, runs = [], []

        def hook(kernel, sites, stage, i):
            if i + 1 + (40 if stage == "Sample" else 0) == at:
                states.append(self.saved(runs[0].state_dict()))

        pyro.set_rng_seed(3)
        whole = self.run(settings, 20, hook=hook, runs=runs)
        # Another seed: all randomness has to come out of the state.
        pyro.set_rng_seed(99)
        left = min(20, 60 - at)
        resumed = self.run(settings, left, states[0])
        return draws(whole)["x"][:, 20 - left :], draws(resumed)["x"], whole, resumed

    @pytest.mark.parametrize("at", [7, 40, 52])
    @pytest.mark.parametrize("name", KERNELS)
    def test_bit_for_bit(self, name, at):
        expected, found, whole, resumed = self.halves(KERNELS[name], at)
        np.testing.assert_array_equal(found, expected)
        one, other = whole.state_dict(), resumed.state_dict()
        assert one["iteration"] == other["iteration"] == 60
        np.testing.assert_array_equal(one["generator"], other["generator"])

    @pytest.mark.parametrize("lost", ["generator", "learnt", "particles"])
    def test_an_incomplete_state_would_be_seen(self, monkeypatch, lost):
        complete = Engine.load_state_dict

        def forgetful(self, state_dict):
            own = self.state_dict()
            complete(self, {**state_dict, lost: own[lost]})

        monkeypatch.setattr(Engine, "load_state_dict", forgetful)
        expected, found, *_ = self.halves({}, 30)
        with pytest.raises(AssertionError):
            np.testing.assert_array_equal(found, expected)

    def test_the_same_object_goes_on(self):
        pyro.set_rng_seed(0)
        whole = made(num_samples=24)
        whole.run(DATA)
        pyro.set_rng_seed(0)
        parts = made(num_samples=12)
        parts.run(DATA)
        first = draws(parts)
        parts.load_state_dict(parts.state_dict())
        parts.run(DATA)
        both = {name: torch.cat([first[name], draws(parts)[name]], 1) for name in first}
        assert_same(both, draws(whole))
        # It holds for one run only; the next one starts anew.
        parts.run(DATA)
        assert parts._chains.engine.iteration == 15 + 12

    def test_a_state_of_another_run_is_refused(self):
        state = ran(num_samples=2).state_dict()
        dense = ran(num_samples=2, kernel=FHL(model, charts=False)).state_dict()
        for settings, message in (
            ({"num_chains": 4}, "num_particles=6, this one has 4"),
            ({"warmup_steps": 14}, "warmup_steps=15, this one has 14"),
            ({"kernel": FHL(model, coupling="joint")}, "coupling='alternate', this .* 'joint'"),
            ({"kernel": FHL(model, group_size=2)}, "group_size=4, this one has 2"),
            ({"kernel": FHL(potential_fn=gaussian)}, "sites="),
            (
                {"kernel": FHL(model, dense_mass=False, charts=False)},
                r"shape \(3, 3\), and this run's \(3,\)",
            ),
        ):
            other = made(**settings)
            if other.kernel.model is None:
                other._initial_params = {"x": torch.zeros(CHAINS, 2)}
            other.load_state_dict(dense if "shape" in message else state)
            with pytest.raises(ValueError, match=message):
                other.run(*([DATA] if other.kernel.model else []))

    @pytest.mark.parametrize(
        ("state", "error", "message"),
        [
            (None, TypeError, "state_dict must be what .* returned, got None"),
            ("run.pt", TypeError, "state_dict must be what .* returned, got 'run.pt'"),
            ({}, ValueError, "state_dict has version None, and only 1 can be read"),
            ({"version": 2}, ValueError, "state_dict has version 2, and only 1 can be read"),
        ],
    )
    def test_what_is_no_state_is_refused_at_once(self, state, error, message):
        with pytest.raises(error, match=message):
            made().load_state_dict(state)

    def test_half_a_state_is_refused(self):
        state = ran(num_samples=2).state_dict()
        del state["learnt"], state["generator"]
        other = made()
        other.load_state_dict(state)
        with pytest.raises(ValueError, match=r"lacks \['generator', 'learnt'\]"):
            other.run(DATA)


def test_above_the_limit_the_metric_is_of_low_rank():
    # One wide direction across all coordinates, of which no scale knows.
    dim, variance = DENSE_LIMIT + 10, 400.0
    along = torch.ones(dim, dtype=torch.double) / dim**0.5

    def potential_fn(sites):
        x = sites["x"]
        return (x @ x - (1 - 1 / variance) * (x @ along) ** 2) / 2

    pyro.set_rng_seed(0)
    starts = {"x": torch.randn(4, dim, dtype=torch.double)}
    kernel = FHL(potential_fn=potential_fn, inverse_mass_matrix=2 * torch.ones(dim))
    mcmc = made(kernel, 60, 150, num_chains=4, initial_params=starts)
    mcmc.run()
    metric = mcmc.diagnostics()["inverse_mass_matrix"]
    assert isinstance(metric, LowRankMetric)
    widest = int(np.argmax(metric.variance))
    assert metric.variance[widest] > variance / 4
    assert abs(metric.directions[:, widest] @ along.numpy()) > 0.9
    # A metric that did not know it would need twenty times the steps of one that does.
    assert mcmc.diagnostics()["n_steps"].mean() < 20


def test_hook_sees_all_chains_and_every_iteration():
    seen = []

    def hook(kernel, sites, stage, i):
        seen.append((stage, i))
        kept.append(sites["mu"].clone())
        assert sites["scale"].shape == (CHAINS, 2)
        assert set(kernel.logging()) == {"step size", "acc. prob", "pull"}

    kept = []
    mcmc = ran(num_samples=4, warmup_steps=3, hook_fn=hook)
    assert seen == [*(("Warmup", i) for i in range(3)), *(("Sample", i) for i in range(4))]
    np.testing.assert_array_equal(torch.stack(kept[3:], 1), draws(mcmc)["mu"])


def test_a_hook_of_one_chain_sees_the_shapes_that_pyro_gives():
    shapes = []

    def hook(kernel, sites, stage, i):
        shapes.append({name: tuple(value.shape) for name, value in sites.items()})

    ran(num_samples=1, warmup_steps=1, num_chains=1, hook_fn=hook)
    assert shapes == [{"mu": (), "scale": (2,)}] * 2


def test_an_interrupted_run_can_be_saved():
    def hook(kernel, sites, stage, i):
        if (stage, i) == ("Sample", 2):
            raise KeyboardInterrupt

    mcmc = made(hook_fn=hook)
    pyro.set_rng_seed(0)
    with pytest.raises(KeyboardInterrupt):
        mcmc.run(DATA)
    assert mcmc.state_dict()["iteration"] == 15 + 3
    resumed = made(num_samples=9)
    resumed.load_state_dict(mcmc.state_dict())
    resumed.run(DATA)
    whole = draws(ran())
    assert_same(draws(resumed), {k: v[:, 3:] for k, v in whole.items()})
    # The draws so far are there, with statistics that fit.
    assert_same(draws(mcmc), {k: v[:, :3] for k, v in whole.items()})
    assert mcmc.diagnostics()["energy"].shape == (CHAINS, 3)


def test_two_runs_are_never_mixed():
    mcmc = made(FHL(model), num_samples=4)
    mcmc.run(DATA)
    with pytest.raises(TypeError):
        mcmc.run()
    with pytest.raises(RuntimeError, match="run must be called before get_samples"):
        mcmc.get_samples()

    def hook(kernel, sites, stage, i):
        raise KeyboardInterrupt

    mcmc._hook = hook
    with pytest.raises(KeyboardInterrupt):
        mcmc.run(DATA)
    for wanted in (mcmc.get_samples, mcmc.diagnostics, mcmc.summary):
        with pytest.raises(RuntimeError, match="interrupted before the first"):
            wanted()


def test_what_scripts_for_nuts_read():
    kernel = FHL(model)
    assert (kernel.step_size, kernel.trajectory_length, kernel.num_steps) == (1.0, None, None)
    assert (kernel.inverse_mass_matrix, kernel.potential_fn) == ({}, None)
    mcmc = made(kernel)
    mcmc.run(DATA)
    kernel.clear_cache()
    found = mcmc.diagnostics()
    assert kernel.step_size == found["tuned"].step_size > 0
    assert kernel.trajectory_length == found["tuned"].trajectory_length
    assert kernel.num_steps >= 1
    matrix = kernel.mass_matrix_adapter.inverse_mass_matrix["mu", "scale"]
    np.testing.assert_array_equal(matrix, found["inverse_mass_matrix"])
    energy = kernel.potential_fn(kernel.initial_params)
    assert torch.isfinite(energy)


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


class TestInitialParams:
    def first(self, **options):
        """Where the chains stand before the first iteration."""
        mcmc = ran(num_samples=0, warmup_steps=0, **options)
        return mcmc._chains.problem.layout.unflatten(mcmc._chains.position)

    def test_one_for_each_chain(self):
        start = {"mu": torch.arange(float(CHAINS)), "scale": torch.zeros(CHAINS, 2)}
        assert_same(self.first(initial_params=start), start)

    def test_one_for_all_chains(self):
        start = {"mu": torch.tensor(2.0), "scale": torch.tensor([0.5, -0.5])}
        found = self.first(initial_params=start)
        assert_same(found, {k: v.expand(CHAINS, *v.shape) for k, v in start.items()})

    def test_one_for_one_chain(self):
        start = {"mu": torch.tensor(2.0), "scale": torch.zeros(2)}
        found = self.first(initial_params=start, num_chains=1)
        assert_same(found, {k: v[None] for k, v in start.items()})

    def test_of_a_potential_for_one_chain(self):
        start = {"x": torch.ones(2)}
        mcmc = made(FHL(potential_fn=gaussian), 3, 3, 1, initial_params=start)
        mcmc.run()
        assert draws(mcmc)["x"].shape == (1, 3, 2)

    @pytest.mark.parametrize(
        ("start", "message"),
        [
            ({"mu": torch.zeros(CHAINS)}, r"a dict with sites \['mu', 'scale'\], got \['mu'\]"),
            ({"mu": torch.zeros(4), "scale": torch.zeros(4, 2)}, "or of 6 with that number"),
            ({"mu": torch.zeros(6), "scale": torch.zeros(6, 3)}, r"must have a shape that ends"),
            (
                {"mu": torch.tensor([0, 0, 0, torch.nan, 0, 0]), "scale": torch.zeros(6, 2)},
                "particle 3 must have finite potential and gradient: latent site 'mu'",
            ),
        ],
    )
    def test_bad_ones_are_named(self, start, message):
        with pytest.raises(ValueError, match=message):
            ran(initial_params=start)

    def test_a_potential_needs_them(self):
        with pytest.raises(ValueError, match="initial_params must be given with potential_fn"):
            made(FHL(potential_fn=gaussian)).run()
        short = {"x": torch.zeros(CHAINS - 1, 2)}
        with pytest.raises(ValueError, match=r"initial_params\['x'\] must have 6 particles"):
            made(FHL(potential_fn=gaussian), initial_params=short).run()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_samples": -1}, "num_samples must be at least 0, got -1"),
        ({"warmup_steps": -5}, "warmup_steps must be at least 0, got -5"),
        ({"num_chains": 0}, "num_chains must be at least 1, got 0"),
        ({"chain_method": "parallel"}, "must be \"vectorized\", got 'parallel'; .*pyro.infer.MCMC"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        made(**options)


def test_other_kernels_and_processes_are_for_pyros_own_class():
    with pytest.raises(TypeError, match=r"must be an fhl_ppl\.pyro\.FHL, got NUTS"):
        made(NUTS(model))
    with pytest.warns(UserWarning, match="mp_context='spawn' has no effect"):
        made(mp_context="spawn")


@pytest.mark.parametrize("method", ["get_samples", "diagnostics", "summary", "state_dict"])
def test_results_before_a_run_are_refused(method):
    with pytest.raises(RuntimeError, match=f"run must be called before {method}"):
        getattr(made(), method)()


@pytest.mark.parametrize("num_samples", [0, 1, 3])
def test_too_few_draws_for_an_r_hat(num_samples):
    mcmc = ran(num_samples=num_samples)
    assert draws(mcmc)["scale"].shape == (CHAINS, num_samples, 2)
    assert mcmc.state_dict()["iteration"] == 15 + num_samples
    found = mcmc.diagnostics()
    assert found["scale"]["r_hat"].isnan().tolist() == [True, True]
    assert len(found["divergences"]) == CHAINS


def test_warm_up_is_as_long_as_the_sampling_by_default():
    assert MCMC(FHL(model), 7).warmup_steps == 7


def test_progress_bar_shows_step_size_acceptance_and_pull(capsys, monkeypatch):
    monkeypatch.setattr("fhl_ppl.pyro.run.progress.SECONDS_BETWEEN_MESSAGES", 0.0)
    # There Pyro shows no progress.
    for name in ("CI", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    pyro.set_rng_seed(0)
    mcmc = MCMC(FHL(model, pulling_strength=0.25), 5, 5, num_chains=4)
    mcmc.run(DATA)
    shown = capsys.readouterr().err
    for text in ("Sample", "100%", "step size=", "acc. prob=", "pull=0.25"):
        assert text in shown


@pytest.mark.parametrize("disabled", [True, False, None])
def test_validation_is_put_back(disabled):
    seen = []

    def hook(*_):
        seen.append(torch.distributions.Distribution._validate_args)

    before = torch.distributions.Distribution._validate_args
    ran(num_samples=2, warmup_steps=1, hook_fn=hook, disable_validation=disabled)
    assert set(seen) == {before if disabled is None else not disabled}
    assert torch.distributions.Distribution._validate_args == before


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
