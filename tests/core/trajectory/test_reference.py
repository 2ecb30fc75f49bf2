"""The drift in a Gaussian: exact on its own, reversible and volume-preserving on any, 0 is none."""

from functools import partial

import numpy as np
import pytest

from fhl_ppl.core.control import PYTHON, Control
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.metrics import Metric, kinetic_energy, velocity, weigh
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.state import State
from fhl_ppl.core.target import Plain
from fhl_ppl.core.trajectory.leapfrog import PhasePoint, elastic_leapfrog
from fhl_ppl.core.trajectory.reference import (
    Reference,
    drift,
    no_reference,
    restoring_force,
    turn_in,
)
from tests.conftest import importorskip
from tests.invariance.exact_draws import METRICS
from tests.loops import draw
from tests.targets import FORCES, TARGETS, with_force

CENTRE = np.array([0.4, -1.1, 2.0])
FREQUENCIES = [0.0, 0.4, 0.93, 1.0, 1.7]


def swirl(position, gradient):
    """Nonlinear, and the gradient of nothing."""
    return np.sin(3 * np.roll(position, 1, axis=1)) + position**2 / 4


ALL_FORCES = {**FORCES, "swirl": swirl}


@pytest.fixture(params=METRICS)
def metric(request):
    return make_metric(METRICS[request.param])


@pytest.fixture(params=FREQUENCIES)
def reference(request):
    return Reference(CENTRE, np.asarray(request.param))


@pytest.fixture
def start(rng):
    return TARGETS["skewed"].sample(rng, 5), rng.standard_normal((5, 3))


def turn(reference, metric, step_size, position, momentum):
    restoring = restoring_force(reference, metric, position)
    turn = turn_in(reference, step_size)
    return drift(turn, metric, position, momentum, restoring)


def assert_reversible(flow, start):
    position, momentum = flow(*start)
    assert np.min(np.linalg.norm(position - start[0], axis=1)) > 0.01
    position, momentum = flow(position, -momentum)
    np.testing.assert_allclose(position, start[0], rtol=0, atol=1e-11)
    np.testing.assert_allclose(momentum, -start[1], rtol=0, atol=1e-11)


def assert_keeps_volume(flow, start):
    def phase(vector):
        return np.concatenate([part.ravel() for part in flow(*vector.reshape(2, *start[0].shape))])

    origin, step = np.concatenate([part.ravel() for part in start]), 1e-5
    columns = [
        (phase(origin + shift) - phase(origin - shift)) / (2 * step)
        for shift in step * np.eye(len(origin))
    ]
    sign, log_volume = np.linalg.slogdet(np.stack(columns, axis=1))
    assert sign == 1
    np.testing.assert_allclose(log_volume, 0, atol=1e-7)


@pytest.mark.parametrize("step_size", [0.05, 1.0, 7.0])
def test_a_drift_runs_back_and_keeps_volume(reference, metric, step_size, start):
    flow = partial(turn, reference, metric, step_size)
    assert_reversible(flow, start)
    assert_keeps_volume(flow, start)


def shrinking(reference, metric, step_size, position, momentum):
    """The momentum is turned, but the position's own turn is left out."""
    omega = reference.frequency
    _, momentum_after = turn(reference, metric, step_size, position, momentum)
    time = np.sin(omega * step_size) / omega
    return position + time * velocity(metric, momentum), momentum_after


def test_half_a_turn_is_noticed(metric, start):
    flow = partial(shrinking, Reference(CENTRE, np.asarray(0.93)), metric, 1.0)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_reversible(flow, start)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_keeps_volume(flow, start)


def own_gaussian(reference, metric, position):
    """U and its gradient for N(c, (omega^2 M)^-1)."""
    gradient = reference.frequency**2 * weigh(metric, position - reference.centre)
    return np.sum(gradient * (position - reference.centre), axis=1) / 2, gradient


@pytest.mark.parametrize("step_size", [0.05, 1.0, 7.0, 100.0])
def test_on_its_own_gaussian_no_step_makes_an_error(reference, metric, step_size, start):
    potential_and_gradient = partial(own_gaussian, reference, metric)
    point = PhasePoint(*start, *potential_and_gradient(start[0]))
    energy = point.potential_energy + kinetic_energy(metric, point.momentum)
    end = elastic_leapfrog(
        point, step_size, 7, metric, Plain(potential_and_gradient), None, PYTHON, reference
    )
    np.testing.assert_allclose(
        end.potential_energy + kinetic_energy(metric, end.momentum), energy, rtol=1e-11
    )
    # The orbit in closed form.
    omega, speed = reference.frequency, velocity(metric, start[1])
    angle = 7 * step_size * omega
    wide = 7 * step_size * speed if omega == 0 else np.sin(angle) / omega * speed
    orbit = reference.centre + np.cos(angle) * (start[0] - reference.centre) + wide
    np.testing.assert_allclose(end.position, orbit, rtol=0, atol=1e-9 * max(1, step_size))


def test_the_leapfrog_does_make_an_error_there(metric, start):
    reference = Reference(CENTRE, np.asarray(1.0))
    potential_and_gradient = partial(own_gaussian, reference, metric)
    point = PhasePoint(*start, *potential_and_gradient(start[0]))
    end = elastic_leapfrog(point, 1.0, 7, metric, Plain(potential_and_gradient), None, PYTHON)
    change = end.potential_energy + kinetic_energy(metric, end.momentum)
    change -= point.potential_energy + kinetic_energy(metric, point.momentum)
    assert np.abs(change).min() > 1e-3


@pytest.mark.parametrize("force", ALL_FORCES)
@pytest.mark.parametrize("pulled", [False, True])
def test_without_a_frequency_it_is_the_leapfrog_to_the_bit(metric, force, pulled, start):
    potential_and_gradient = with_force(TARGETS["skewed"], ALL_FORCES[force])
    point = PhasePoint(*start, *potential_and_gradient(start[0]))

    def pull(position, energy):
        return np.tanh(energy)[:, None] * (position - 0.3)

    ends = [
        elastic_leapfrog(
            point,
            0.2,
            5,
            metric,
            Plain(potential_and_gradient),
            pull if pulled else None,
            PYTHON,
            which,
        )
        for which in (None, no_reference(start[0]), Reference(CENTRE, np.asarray(0.0)))
    ]
    for other in ends[1:]:
        for one, two in zip(ends[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_no_reference_stands_still_at_the_origin(start):
    nothing = no_reference(start[0])
    np.testing.assert_array_equal(nothing.centre, np.zeros(3))
    assert nothing.frequency == 0
    assert nothing.frequency.shape == ()


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("strength", [0.0, 2.0])
@pytest.mark.parametrize("force", ALL_FORCES)
def test_whole_trajectories_run_back_and_keep_volume(coupling, strength, force, metric, start, rng):
    coupling, draws = COUPLINGS[coupling], draw(rng, 5, 3)
    groups = make_groups(5, 3, like=np.zeros(1))
    potential_and_gradient = with_force(TARGETS["skewed"], ALL_FORCES[force])
    roles = coupling.roles(groups, State(start[0], *potential_and_gradient(start[0])), draws)

    def pull(position, energy):
        return coupling.pull(groups, roles, strength, position, energy)

    def flow(position, momentum):
        end = elastic_leapfrog(
            PhasePoint(position, momentum, *potential_and_gradient(position)),
            0.15,
            4,
            metric,
            Plain(potential_and_gradient),
            pull,
            PYTHON,
            Reference(CENTRE, np.asarray(0.93)),
        )
        for got, wanted in zip(end[2:], potential_and_gradient(end.position), strict=True):
            np.testing.assert_array_equal(got, wanted)
        return end[:2]

    assert_reversible(flow, start)
    assert_keeps_volume(flow, start)


@pytest.mark.parametrize("frequency", [0.93, 1.7])
def test_energy_error_is_of_second_order(metric, frequency, rng):
    # A Gaussian that is not the target's: the rest of the force is left to the kicks.
    target, reference = TARGETS["skewed"], Reference(CENTRE, np.asarray(frequency))
    position, momentum = target.sample(rng, 6), rng.standard_normal((6, 3))
    start = PhasePoint(position, momentum, *target.potential_and_gradient(position))

    def energy(point):
        return point.potential_energy + kinetic_energy(metric, point.momentum)

    def worst_error(step_size):
        point, worst = start, 0
        for _ in range(round(2 / step_size)):
            point = elastic_leapfrog(
                point,
                step_size,
                1,
                metric,
                Plain(target.potential_and_gradient),
                None,
                PYTHON,
                reference,
            )
            worst = np.maximum(worst, np.abs(energy(point) - energy(start)))
        return worst

    np.testing.assert_allclose(worst_error(0.02) / worst_error(0.01), 4, rtol=0.05)


def test_a_fitted_reference_takes_longer_steps(rng):
    # On a Gaussian with its own mean and covariance a seventh of the force is left to the kicks.
    target = TARGETS["gaussian"]
    metric = make_metric(target.covariance)
    position = target.sample(rng, 200)
    start = PhasePoint(
        position,
        rng.standard_normal((200, 3)) @ metric.whitener,
        *target.potential_and_gradient(position),
    )

    def error(reference):
        end = elastic_leapfrog(
            start, 1.5, 3, metric, Plain(target.potential_and_gradient), None, PYTHON, reference
        )
        change = end.potential_energy - start.potential_energy
        change += kinetic_energy(metric, end.momentum) - kinetic_energy(metric, start.momentum)
        return np.sqrt(np.mean(change**2))

    assert error(Reference(target.mean, np.asarray(0.93))) < error(None) / 5


def trajectory(inputs, control):
    """A split trajectory on arrays of any library."""
    metric = Metric(*(inputs[name] for name in Metric._fields))
    reference = Reference(inputs["centre"], inputs["frequency"])
    evaluate = TARGETS["skewed"].potential_and_gradient
    start = PhasePoint(inputs["position"], inputs["momentum"], *evaluate(inputs["position"]))
    return elastic_leapfrog(
        start, inputs["step_size"], 4, metric, Plain(evaluate), None, control, reference
    )


def inputs_for(metric, frequency, start):
    return {
        **metric._asdict(),
        "centre": CENTRE,
        "frequency": np.asarray(frequency),
        "position": start[0],
        "momentum": start[1],
        "step_size": np.asarray(0.2),
    }


def assert_agree(outputs, expected):
    for got, wanted in zip(outputs, expected, strict=True):
        assert type(got) is not type(wanted)
        np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("frequency", [0.0, 0.93])
def test_jax_gives_what_numpy_gives(metric, frequency, start):
    jax = importorskip("jax")
    inputs = inputs_for(metric, frequency, start)
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        given = {name: jax.numpy.asarray(value) for name, value in inputs.items()}
        jitted = jax.jit(partial(trajectory, control=Control(jax.lax.fori_loop, jax.lax.cond)))
        outputs = [jitted(given), trajectory(given, PYTHON)]
    finally:
        jax.config.update("jax_enable_x64", before)
    for output in outputs:
        assert_agree(output, trajectory(inputs, PYTHON))


@pytest.mark.parametrize("frequency", [0.0, 0.93])
def test_torch_gives_what_numpy_gives(metric, frequency, start):
    torch = importorskip("torch")
    inputs = inputs_for(metric, frequency, start)
    given = {name: torch.from_numpy(value) for name, value in inputs.items()}
    assert_agree(trajectory(given, PYTHON), trajectory(inputs, PYTHON))
