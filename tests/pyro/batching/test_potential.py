"""What `BatchedPotential` promises beyond right values: failures, substitutes, pickling, speed."""

import pickle
import warnings

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.ops import special

from fhl_ppl.pyro.batching import at_once, batchable, ladder, replay
from fhl_ppl.pyro.batching.potential import BatchedPotential
from fhl_ppl.pyro.model.layout import SiteLayout
from fhl_ppl.pyro.model.one_particle import energy_and_gradient
from fhl_ppl.pyro.model.problem import problem_from_model
from tests.pyro.models import MODELS, lkj_mvn


@pytest.fixture(autouse=True, scope="module")
def _float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


LAYOUT = SiteLayout({"x": torch.zeros(2, dtype=torch.float64)})
POINTS = torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.5, 0.25]], dtype=torch.float64)


def quadratic(sites):
    return (sites["x"] ** 2).sum() / 2


def branching(sites):
    return quadratic(sites) if sites["x"][0] > 0 else 2 * quadratic(sites)


def halved(sites):
    return {"x": sites["x"] / 2}


def cholesky(sites):
    a = sites["x"][0]
    matrix = torch.stack([torch.stack([a, a * 0 + 0.2]), torch.stack([a * 0 + 0.2, a])])
    return torch.linalg.cholesky(matrix).diagonal().log().sum() + quadratic(sites)


def inverse(sites):
    # Singular, and not merely of negative determinant, at x[0] = 0.
    return torch.linalg.inv(sites["x"][0] * torch.eye(2)).sum() + quadratic(sites)


def solve(sites):
    matrix = sites["x"][0] * torch.eye(2)
    return torch.linalg.solve(matrix, sites["x"]).sum() + quadratic(sites)


def singular_values(sites):
    # An operation without a batched way of reporting failure, which NaN makes fail.
    matrix = torch.diag(torch.log(sites["x"]) + torch.tensor([0.0, 5.0])) + 0.1
    return torch.linalg.svdvals(matrix).sum() + quadratic(sites)


def validated(sites):
    # Passes under vmap as long as all particles are valid; cannot be recorded.
    scale = sites["x"][0]
    return -dist.Normal(0.0, scale, validate_args=True).log_prob(sites["x"][1])


@pytest.mark.parametrize(
    ("potential_fn", "culprit", "rung"),
    [
        (cholesky, [-1.0, 0.3], "fx"),
        (inverse, [0.0, 0.3], "fx"),
        (solve, [0.0, 0.3], "fx"),
        (singular_values, [-1.0, 0.3], "fx"),
        (validated, [-1.0, 0.3], "fx"),
    ],
)
def test_a_failure_loses_only_the_culprit(potential_fn, culprit, rung):
    potential = BatchedPotential(potential_fn, LAYOUT)
    good = POINTS.abs()
    energies, gradients = (x.clone() for x in potential.energy_and_gradient(good))
    assert torch.isfinite(energies).all()
    bad = good.clone()
    bad[1] = torch.tensor(culprit)
    after, slopes = potential.energy_and_gradient(bad)
    assert after[1] == torch.inf
    np.testing.assert_array_equal(slopes[1], 0.0)
    keep = [0, 2]
    np.testing.assert_allclose(after[keep], energies[keep], rtol=1e-12)
    np.testing.assert_allclose(slopes[keep], gradients[keep], rtol=1e-12)
    np.testing.assert_array_equal(potential.energy(bad)[1], torch.inf)
    assert potential.rung == rung


def test_an_error_of_the_model_is_not_taken_for_a_rejection():
    def wrong(sites):
        return sites["x"].sum() + sites["y"]

    with pytest.raises(KeyError, match="y"):
        BatchedPotential(wrong, LAYOUT).energy_and_gradient(POINTS)


@pytest.mark.parametrize("bad", [torch.nan, -torch.inf, torch.inf])
def test_a_non_finite_energy_is_plus_infinity(bad):
    def potential_fn(sites):
        return torch.where(sites["x"][0] > 2, bad, quadratic(sites))

    energies, gradients = BatchedPotential(potential_fn, LAYOUT).energy_and_gradient(POINTS)
    # Whether it was batched or not: the first call met a particle that has no energy.
    assert energies.tolist()[1] == torch.inf
    np.testing.assert_array_equal(gradients[1], 0.0)
    np.testing.assert_array_equal(gradients[0], POINTS[0])


def test_first_positions_without_energy_do_not_decide_the_rung():
    def potential_fn(sites):
        return torch.where(sites["x"][0] > 2, torch.nan, quadratic(sites))

    potential = BatchedPotential(potential_fn, LAYOUT)
    potential.energy_and_gradient(POINTS + 10)
    assert potential.rung == "loop"
    potential.energy_and_gradient(torch.zeros_like(POINTS))
    assert potential.rung == "fx"


def test_substitute_gradient_leaves_the_energy_alone():
    potential = BatchedPotential(quadratic, LAYOUT, gradient_fn=halved)
    energies, gradients = potential.energy_and_gradient(POINTS)
    np.testing.assert_allclose(energies, (POINTS**2).sum(1) / 2)
    np.testing.assert_array_equal(gradients, POINTS / 2)
    np.testing.assert_array_equal(potential.gradient(POINTS), POINTS / 2)
    assert potential.rung == "fx, fx"


def test_substitute_gradient_may_be_constant_or_differentiate_itself():
    def zero(sites):
        return {"x": torch.zeros(2)}

    def surrogate(sites):
        x = sites["x"].detach().requires_grad_(True)
        return {"x": torch.autograd.grad((x**4).sum(), x)[0]}

    potential = BatchedPotential(quadratic, LAYOUT, gradient_fn=zero)
    np.testing.assert_array_equal(potential.gradient(POINTS), torch.zeros(3, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        gradients = BatchedPotential(quadratic, LAYOUT, gradient_fn=surrogate).gradient(POINTS)
    np.testing.assert_allclose(gradients, 4 * POINTS**3)


def test_substitute_gradient_allows_a_potential_without_derivative():
    def black_box(sites):
        return torch.as_tensor(float(np.sum(sites["x"].numpy() ** 2)))

    potential = BatchedPotential(black_box, LAYOUT, gradient_fn=halved)
    with pytest.warns(RuntimeWarning, match="the potential cannot be evaluated"):
        energies, gradients = potential.energy_and_gradient(POINTS)
    np.testing.assert_allclose(energies, (POINTS**2).sum(1))
    np.testing.assert_array_equal(gradients, POINTS / 2)
    assert potential.rung == "loop, fx"


@pytest.mark.parametrize(
    ("gradient_fn", "message"),
    [
        (lambda sites: {"y": sites["x"]}, r"sites \['x'\], got \['y'\]"),
        (lambda sites: {"x": sites["x"][:1]}, r"\['x'\] must have a shape that ends in \(2,\)"),
        (lambda sites: {"x": torch.zeros(3, 2)}, r"one particle's shapes"),
        (lambda sites: sites["x"], "got Tensor"),
    ],
)
def test_bad_results_of_gradient_fn_are_named(gradient_fn, message):
    with pytest.raises(ValueError, match=message):
        BatchedPotential(quadratic, LAYOUT, gradient_fn=gradient_fn).gradient(POINTS)


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_no_force_where_gradient_fn_is_not_finite(bad, noisy):
    def failing(sites):
        return {"x": torch.where(sites["x"] > 2, bad, sites["x"])}

    potential = BatchedPotential(quadratic, LAYOUT, gradient_fn=failing, noisy_gradient=noisy)
    energies, gradients = potential.energy_and_gradient(POINTS)
    # As in NumPyro's adapter, the other entries of that particle stay.
    np.testing.assert_array_equal(gradients, torch.where(POINTS > 2, 0.0, POINTS))
    np.testing.assert_allclose(energies, (POINTS**2).sum(1) / 2)


def noisy(sites):
    return {"x": sites["x"] + torch.randn(2)}


def test_noisy_gradient_is_fresh_at_every_call_and_for_every_particle():
    potential = BatchedPotential(quadratic, LAYOUT, gradient_fn=noisy, noisy_gradient=True)
    noise = torch.stack([potential.gradient(POINTS) - POINTS for _ in range(50)])
    assert len(noise.unique()) == noise.numel()
    assert potential.rung == "vmap"
    assert "repeat the same random numbers" in potential.reason
    # 300 independent standard normal numbers: five standard errors.
    assert abs(noise.mean()) < 5 / 300**0.5


def test_noisy_gradient_falls_back_to_the_loop():
    def numpy_noise(sites):
        return {"x": torch.as_tensor(sites["x"].numpy() + np.random.default_rng().normal(size=2))}

    potential = BatchedPotential(quadratic, LAYOUT, gradient_fn=numpy_noise, noisy_gradient=True)
    with pytest.warns(RuntimeWarning, match="gradient_fn cannot be evaluated"):
        first = potential.gradient(POINTS)
    assert not torch.isclose(first, potential.gradient(POINTS)).any()


def test_randomness_that_was_not_announced_is_refused():
    with pytest.raises(ValueError, match=r"gradient_fn is random.*noisy_gradient=True"):
        BatchedPotential(quadratic, LAYOUT, gradient_fn=noisy).gradient(POINTS)

    def random_energy(sites):
        return quadratic(sites) + torch.rand(())

    with pytest.raises(ValueError, match="the potential is random"):
        BatchedPotential(random_energy, LAYOUT).energy_and_gradient(POINTS)


def test_the_loop_is_announced_once_with_its_reason():
    potential = BatchedPotential(branching, LAYOUT)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        potential.energy_and_gradient(POINTS)
        potential.energy_and_gradient(POINTS[:2])
        potential.energy(POINTS)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert "data-dependent control flow" in message
    assert f"{__file__}, line" in message
    assert caught[0].filename == __file__


def test_every_number_of_particles_is_recorded_once(monkeypatch):
    traced = []
    original = replay.record

    def counting(function, position):
        traced.append(function)
        return original(function, position)

    monkeypatch.setattr(replay, "record", counting)
    potential = BatchedPotential(quadratic, LAYOUT)
    for points in (POINTS, POINTS[:2], POINTS, POINTS[:2]):
        energies, _ = potential.energy_and_gradient(points)
        np.testing.assert_allclose(energies, (points**2).sum(1) / 2)
    assert len(traced) == 2


def test_evaluation_leaves_global_state_alone():
    model = MODELS["mixture_enumerated"]
    problem = problem_from_model(model, num_particles=2)
    potential = BatchedPotential(problem.potential_fn, problem.layout)
    before = torch.get_rng_state(), special._SafeLog, torch.distributions.Normal._validate_args
    with pyro.validation_enabled(True):
        potential.energy_and_gradient(problem.position)
        assert torch.distributions.Distribution._validate_args
    after = torch.get_rng_state(), special._SafeLog, torch.distributions.Normal._validate_args
    np.testing.assert_array_equal(before[0], after[0])
    assert before[1:] == after[1:]
    with pytest.raises(ZeroDivisionError), batchable.batchable_operations():
        raise ZeroDivisionError
    assert special._SafeLog is before[1]


@pytest.mark.parametrize("evaluate_first", [False, True])
def test_pickling_keeps_what_can_be_kept(evaluate_first):
    problem = problem_from_model(lkj_mvn, num_particles=3)
    potential = BatchedPotential(problem.potential_fn, problem.layout)
    expected = BatchedPotential(problem.potential_fn, problem.layout)
    if evaluate_first:
        potential.energy_and_gradient(problem.position)
    copy = pickle.loads(pickle.dumps(potential))
    for actual, wanted in zip(
        copy.energy_and_gradient(problem.position),
        expected.energy_and_gradient(problem.position),
        strict=True,
    ):
        np.testing.assert_allclose(actual, wanted, rtol=1e-12)
    assert copy.rung == "fx"


def test_pickling_does_not_repeat_the_warning():
    potential = BatchedPotential(branching, LAYOUT)
    with pytest.warns(RuntimeWarning):
        potential.energy_and_gradient(POINTS)
    copy = pickle.loads(pickle.dumps(potential))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copy.energy_and_gradient(POINTS)
    assert copy.rung == "loop"


def test_compilation_on_request():
    options = {"backend": "aot_eager"}
    potential = BatchedPotential(cholesky, LAYOUT, jit_compile=True, jit_options=options)
    plain = BatchedPotential(cholesky, LAYOUT)
    points = POINTS.abs()
    for actual, wanted in zip(
        potential.energy_and_gradient(points), plain.energy_and_gradient(points), strict=True
    ):
        np.testing.assert_allclose(actual, wanted, rtol=1e-12)
    assert (potential.rung, potential.reason) == ("compile", "")


def test_what_was_left_over_from_nuts_does_not_compile_a_short_run(monkeypatch):
    """Without options compiling waits until replaying has taken long."""
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("compiled"))
    potential = BatchedPotential(quadratic, LAYOUT, jit_compile=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        potential.energy_and_gradient(POINTS)
    assert potential.rung == "fx"
    assert "compiled after 30 s" in potential.reason
    # Broken on purpose: at once.
    monkeypatch.setattr(ladder, "COMPILES_AFTER", 0.0)
    with pytest.raises(pytest.fail.Exception, match="compiled"):
        potential.energy_and_gradient(POINTS)


@pytest.mark.parametrize("is_faster", [True, False])
def test_what_is_compiled_late_has_to_be_faster(monkeypatch, is_faster):
    monkeypatch.setattr(torch, "compile", lambda function: function)
    monkeypatch.setattr(ladder, "COMPILES_AFTER", 0.0)
    seconds = {"compile": 1.0 if is_faster else 3.0, "fx": 2.0}
    monkeypatch.setattr(ladder, "_seconds", lambda rung, _: seconds[rung.name])
    potential = BatchedPotential(quadratic, LAYOUT, jit_compile=True)
    for _ in range(3):
        energies, _ = potential.energy_and_gradient(POINTS)
    np.testing.assert_allclose(energies, (POINTS**2).sum(1) / 2)
    assert potential.rung == ("compile" if is_faster else "fx")
    assert potential.reason == ("" if is_faster else "compiled, it is slower")


def test_very_long_records_are_not_compiled(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("compiled"))
    monkeypatch.setattr(ladder, "COMPILES_AFTER", 0.0)
    monkeypatch.setattr(ladder, "MOST_COMPILED", 1)
    potential = BatchedPotential(quadratic, LAYOUT, jit_compile=True)
    for _ in range(3):
        potential.energy_and_gradient(POINTS)
    assert "operations would take minutes" in potential.reason


def test_large_data_in_blocks(monkeypatch):
    """Rows that differ, in a last block that is not full, and no block above the bound."""
    data = torch.linspace(0.0, 1.0, 500)
    sizes = []

    def potential_fn(sites):
        return ((data[:, None] - sites["x"]) ** 2).sum()

    def counting(function, position):
        sizes.append(len(position))
        return record(function, position)

    record = replay.record
    monkeypatch.setattr(replay, "record", counting)
    monkeypatch.setattr(at_once, "LARGEST", 3 * 500 * 2 * 8)
    points = torch.arange(16.0).reshape(8, 2)
    potential = BatchedPotential(potential_fn, LAYOUT)
    energies, gradients = potential.energy_and_gradient(points)
    assert sizes == [3]
    expected = ((data[:, None] - points[:, None]) ** 2).sum((1, 2))
    np.testing.assert_allclose(energies, expected)
    np.testing.assert_allclose(gradients, 2 * (500 * points - data.sum()))


def test_what_is_the_same_for_all_makes_no_blocks():
    data = torch.ones(1000, 1000)

    def potential_fn(sites):
        return quadratic(sites) * (data @ data).exp().isfinite().sum()

    quantity = energy_and_gradient(potential_fn, LAYOUT)
    assert at_once.particles_at_once(quantity, POINTS.repeat(20, 1)) == 60


def test_long_records_are_scripted_later(monkeypatch):
    monkeypatch.setattr(replay, "SCRIPTED_AT_ONCE", 0)
    monkeypatch.setattr(replay, "SCRIPTED_AFTER", 6)
    traced = []
    trace = torch.jit.trace
    monkeypatch.setattr(torch.jit, "trace", lambda *a, **k: traced.append(1) or trace(*a, **k))
    potential = BatchedPotential(quadratic, LAYOUT)
    results = []
    for _ in range(10):
        results.append((*potential.energy_and_gradient(POINTS), len(traced)))
    assert [each[2] for each in (results[0], results[-1])] == [0, 1]
    for energies, gradients, _ in results:
        np.testing.assert_array_equal(energies, results[0][0])
        np.testing.assert_array_equal(gradients, results[0][1])


def test_failed_compilation_falls_back_with_one_warning():
    options = {"check_trace": False}
    potential = BatchedPotential(quadratic, LAYOUT, jit_compile=True, jit_options=options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        potential.energy_and_gradient(POINTS)
        energies, _ = potential.energy_and_gradient(POINTS[:2])
    assert len(caught) == 1
    assert "check_trace" in str(caught[0].message)
    np.testing.assert_allclose(energies, (POINTS[:2] ** 2).sum(1) / 2)
    assert potential.rung == "fx"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noisy_gradient": True}, "noisy_gradient=True needs a gradient_fn"),
        ({"jit_options": {"mode": "default"}}, "jit_options=.*jit_compile=True"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        BatchedPotential(quadratic, LAYOUT, **options)


@pytest.mark.parametrize(
    "position",
    [torch.zeros(2), torch.zeros(3, 3), torch.zeros(0, 2), torch.zeros(3, 2, dtype=torch.float32)],
)
def test_bad_positions_are_named(position):
    with pytest.raises(ValueError, match=r"position must have shape \[N, 2\], dtype torch.float64"):
        BatchedPotential(quadratic, LAYOUT).energy_and_gradient(position)


def test_potential_has_to_be_a_scalar():
    with pytest.raises(ValueError, match=r"scalar tensor, got shape \(2,\)"):
        BatchedPotential(lambda sites: sites["x"], LAYOUT).energy_and_gradient(POINTS)


class TestSelfCheckBites:
    """Broken on purpose: the check must see it."""

    def test_wrong_gradient_of_a_replacement(self, monkeypatch):
        right = batchable._BatchableSafeLog

        class Wrong(right):
            @staticmethod
            def backward(ctx, grad):
                return 2 * right.backward(ctx, grad)

        monkeypatch.setattr(batchable, "_BatchableSafeLog", Wrong)
        problem = problem_from_model(MODELS["mixture_enumerated"], num_particles=4)
        potential = BatchedPotential(problem.potential_fn, problem.layout)
        with pytest.warns(RuntimeWarning, match="vmap is wrong for this function: its gradient"):
            potential.energy_and_gradient(problem.position)
        assert potential.rung == "loop"

    def test_sum_over_particles(self, monkeypatch):
        def leaking(self, position, fillable=False):
            energies = (position**2).sum(1) / 2
            return energies + 0.01 * energies.sum(), position

        monkeypatch.setattr(ladder.Ladder, "_vmapped", leaking)
        potential = BatchedPotential(quadratic, LAYOUT)
        with pytest.warns(RuntimeWarning, match="vmap is wrong for this function: its energy"):
            energies, _ = potential.energy_and_gradient(POINTS)
        np.testing.assert_allclose(energies, (POINTS**2).sum(1) / 2)

    def test_a_record_that_is_right_at_the_trace_point_only(self, monkeypatch):
        class Freezing(ladder.Recorded):
            def __call__(self, _):
                return super().__call__(POINTS)

        monkeypatch.setattr(ladder, "Recorded", Freezing)
        potential = BatchedPotential(quadratic, LAYOUT)
        potential.energy_and_gradient(POINTS)
        assert potential.rung == "vmap"
        assert potential.reason.startswith("fx is wrong for this function")
        energies, _ = potential.energy_and_gradient(2 * POINTS)
        np.testing.assert_allclose(energies, 2 * (POINTS**2).sum(1))

    def test_nothing_but_the_check_stands_between_a_wrong_function_and_its_use(self, monkeypatch):
        monkeypatch.setattr(ladder.Ladder, "_vmapped", lambda self, q, fillable=False: (q[:, 0], q))
        monkeypatch.setattr(ladder, "disagreement", lambda *_: "")
        energies, _ = BatchedPotential(quadratic, LAYOUT).energy_and_gradient(POINTS)
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(energies, (POINTS**2).sum(1) / 2)
