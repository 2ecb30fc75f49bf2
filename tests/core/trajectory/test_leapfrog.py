"""The elastic leapfrog is reversible and keeps volume for any force, and follows closed orbits."""

import numpy as np
import pytest

from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.metrics import kinetic_energy, velocity, weigh
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.state import State
from fhl_ppl.core.target import Plain
from fhl_ppl.core.trajectory import leapfrog
from fhl_ppl.core.trajectory.leapfrog import PhasePoint
from tests.loops import draw
from tests.targets import FORCES, TARGETS, with_force

METRICS = {
    "diag": make_metric(np.array([0.5, 1.0, 1.6])),
    "dense": make_metric(np.array([[0.5, 0.3, -0.2], [0.3, 1.0, 0.1], [-0.2, 0.1, 1.6]])),
}


def swirl(position, gradient):
    """Nonlinear, and the gradient of nothing."""
    return np.sin(3 * np.roll(position, 1, axis=1)) + position**2 / 4


ALL_FORCES = {**FORCES, "swirl": swirl}


class LeapfrogContract:
    """What the leapfrog owes to every coupling: 5 particles in groups of 3 and 2."""

    coupling_name: str

    @pytest.fixture(params=[0.0, 1.0, 10.0])
    def strength(self, request):
        return request.param

    @pytest.fixture(params=METRICS)
    def metric(self, request):
        return METRICS[request.param]

    @pytest.fixture(params=ALL_FORCES)
    def potential_and_gradient(self, request):
        return with_force(TARGETS["skewed"], ALL_FORCES[request.param])

    @pytest.fixture
    def flow(self, strength, metric, potential_and_gradient, rng):
        """The map (q, p) -> (q, p), and the map with the roles as they are at some given q."""
        coupling = COUPLINGS[self.coupling_name]
        groups = make_groups(5, 3, like=np.zeros(1))
        draws = draw(rng, 5, 3)

        def run(position, momentum, roles_at=None):
            start = PhasePoint(position, momentum, *potential_and_gradient(position))
            where = position if roles_at is None else roles_at
            state = State(where, *potential_and_gradient(where))
            roles = coupling.roles(groups, state, draws)

            def pull(q, energy):
                return coupling.pull(groups, roles, strength, q, energy)

            return leapfrog.elastic_leapfrog(
                start, 0.1, 6, metric, Plain(potential_and_gradient), pull, PYTHON
            )

        return run

    @pytest.fixture
    def start(self, metric, rng):
        return TARGETS["skewed"].sample(rng, 5), rng.standard_normal((5, 3))

    def test_runs_back_to_where_it_started(self, flow, start):
        assert_reversible(flow, start)

    def test_keeps_volume(self, flow, start):
        assert_keeps_volume(flow, start)

    def test_moves_and_returns_energy_and_gradient_of_the_end(
        self, flow, start, potential_and_gradient
    ):
        end = flow(*start)
        assert np.min(np.linalg.norm(end.position - start[0], axis=1)) > 0.05
        energy, gradient = potential_and_gradient(end.position)
        np.testing.assert_array_equal(end.potential_energy, energy)
        np.testing.assert_array_equal(end.gradient, gradient)


class TestAlternate(LeapfrogContract):
    coupling_name = "alternate"


class TestJoint(LeapfrogContract):
    coupling_name = "joint"


def assert_reversible(flow, start):
    position, momentum = start
    end = flow(position, momentum, roles_at=position)
    back = flow(end.position, -end.momentum, roles_at=position)
    np.testing.assert_allclose(back.position, position, rtol=0, atol=1e-11)
    np.testing.assert_allclose(back.momentum, -momentum, rtol=0, atol=1e-11)


def assert_keeps_volume(flow, start):
    def phase(vector):
        position, momentum = vector.reshape(2, *start[0].shape)
        end = flow(position, momentum)
        return np.concatenate([end.position.ravel(), end.momentum.ravel()])

    origin = np.concatenate([start[0].ravel(), start[1].ravel()])
    step = 1e-5
    columns = [
        (phase(origin + shift) - phase(origin - shift)) / (2 * step)
        for shift in step * np.eye(len(origin))
    ]
    _, log_volume = np.linalg.slogdet(np.stack(columns, axis=1))
    np.testing.assert_allclose(log_volume, 0, atol=1e-7)


def euler(start, step_size, num_steps, metric, target, pull, control):
    """All at once instead of one after the other: neither reversible nor volume-preserving."""
    q, p, energy, gradient = start
    for _ in range(num_steps):
        push = gradient + weigh(metric, pull(q, energy))
        q, p = q + step_size * velocity(metric, p), p - step_size * push
        energy, gradient = target.potential_and_gradient(q)
    return PhasePoint(q, p, energy, gradient)


def one_by_one(start, step_size, num_steps, metric, target, pull, control):
    """The paper's sweep over the particles: keeps volume, but is not reversible."""
    q, p, energy, gradient = start
    for _ in range(num_steps):
        for mine in np.eye(len(q), dtype=bool)[:, :, None]:
            push = gradient + weigh(metric, pull(q, energy))
            p = np.where(mine, p - step_size / 2 * push, p)
            q = np.where(mine, q + step_size * velocity(metric, p), q)
            energy, gradient = target.potential_and_gradient(q)
            push = gradient + weigh(metric, pull(q, energy))
            p = np.where(mine, p - step_size / 2 * push, p)
    return PhasePoint(q, p, energy, gradient)


def with_friction(*args):
    """A little momentum is lost."""
    end = leapfrog_as_is(*args)
    return end._replace(momentum=end.momentum * (1 - 1e-6))


leapfrog_as_is = leapfrog.elastic_leapfrog


@pytest.mark.parametrize("strength", [10.0], indirect=True)
@pytest.mark.parametrize("metric", ["diag"], indirect=True)
@pytest.mark.parametrize("potential_and_gradient", ["right"], indirect=True)
class TestBrokenIntegrators(LeapfrogContract):
    """The checks above notice what is wrong with these."""

    coupling_name = "joint"

    @pytest.mark.parametrize("broken", [euler, one_by_one, with_friction])
    def test_runs_back_to_where_it_started(self, flow, start, monkeypatch, broken):
        monkeypatch.setattr(leapfrog, "elastic_leapfrog", broken)
        with pytest.raises(AssertionError, match="Not equal to tolerance"):
            assert_reversible(flow, start)

    @pytest.mark.parametrize("broken", [euler, with_friction])
    def test_keeps_volume(self, flow, start, monkeypatch, broken):
        monkeypatch.setattr(leapfrog, "elastic_leapfrog", broken)
        with pytest.raises(AssertionError, match="Not equal to tolerance"):
            assert_keeps_volume(flow, start)


def no_pull(position, energy):
    return 0 * position


def leapfrog_orbit(position, drift, omega, step_size, num_steps):
    """Positions that leapfrog visits exactly in q'' = -omega^2 q, from q and q' = `drift`."""
    turn = 2 * np.arcsin(step_size * omega / 2)
    amplitude = drift / (omega * np.cos(turn / 2))
    return position * np.cos(num_steps * turn) + amplitude * np.sin(num_steps * turn)


@pytest.mark.parametrize("num_steps", [1, 7, 100])
def test_harmonic_oscillators_follow_the_closed_orbit(num_steps, rng):
    stiffness, inverse_mass = np.array([0.5, 1.0, 4.0]), np.array([2.0, 0.3, 1.0])
    metric = make_metric(inverse_mass)

    def potential_and_gradient(q):
        return (stiffness * q**2).sum(axis=1) / 2, stiffness * q

    position, momentum = rng.standard_normal((2, 4, 3))
    start = PhasePoint(position, momentum, *potential_and_gradient(position))
    end = leapfrog.elastic_leapfrog(
        start, 0.3, num_steps, metric, Plain(potential_and_gradient), no_pull, PYTHON
    )
    omega = np.sqrt(stiffness * inverse_mass)
    expected = leapfrog_orbit(position, inverse_mass * momentum, omega, 0.3, num_steps)
    np.testing.assert_allclose(end.position, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_a_follower_circles_its_leader(metric, rng):
    # No force, and a leader so much better that tanh is 1: a spring with omega = sqrt(lambda),
    # whatever the mass matrix, as the pull is isotropic in the whitened space.
    metric = METRICS[metric]
    groups = make_groups(2, 2, like=np.zeros(1))
    draws = draw(rng, 2, 3)._replace(role=np.array([0.1, 0.9]))

    def potential_and_gradient(q):
        return np.array([0.0, 1e4]), 0 * q

    position, momentum = rng.standard_normal((2, 2, 3))
    start = PhasePoint(position, momentum, *potential_and_gradient(position))
    coupling = COUPLINGS["alternate"]
    roles = coupling.roles(groups, State(position, *potential_and_gradient(position)), draws)

    def pull(q, energy):
        return coupling.pull(groups, roles, 2.5, q, energy)

    end = leapfrog.elastic_leapfrog(
        start, 0.2, 9, metric, Plain(potential_and_gradient), pull, PYTHON
    )
    drift = velocity(metric, momentum)
    expected = position[0] + leapfrog_orbit(
        position[1] - position[0], drift[1], np.sqrt(2.5), 0.2, 9
    )
    np.testing.assert_allclose(end.position[1], expected, rtol=0, atol=1e-12)
    # The scout flies on undisturbed.
    np.testing.assert_allclose(end.position[0], position[0] + 1.8 * drift[0], rtol=0, atol=1e-12)


def test_energy_error_is_of_second_order(rng):
    target, metric = TARGETS["skewed"], METRICS["dense"]
    force = Plain(target.potential_and_gradient)
    position, momentum = target.sample(rng, 6), rng.standard_normal((6, 3))
    start = PhasePoint(position, momentum, *target.potential_and_gradient(position))

    def energy(point):
        return point.potential_energy + kinetic_energy(metric, point.momentum)

    def worst_error(step_size):
        point, worst = start, 0
        for _ in range(round(2 / step_size)):
            point = leapfrog.elastic_leapfrog(point, step_size, 1, metric, force, no_pull, PYTHON)
            worst = np.maximum(worst, np.abs(energy(point) - energy(start)))
        return worst

    coarse, fine = worst_error(0.02), worst_error(0.01)
    np.testing.assert_allclose(coarse / fine, 4, rtol=0.05)


def test_a_step_costs_one_gradient_and_steps_add_up(rng):
    target, metric = TARGETS["gaussian"], METRICS["diag"]
    calls = 0

    def counted(q):
        nonlocal calls
        calls += 1
        return target.potential_and_gradient(q)

    position, momentum = target.sample(rng, 4), rng.standard_normal((4, 3))
    start = PhasePoint(position, momentum, *target.potential_and_gradient(position))
    at_once = leapfrog.elastic_leapfrog(start, 0.2, 5, metric, Plain(counted), no_pull, PYTHON)
    assert calls == 5
    point = start
    for _ in range(5):
        point = leapfrog.elastic_leapfrog(point, 0.2, 1, metric, Plain(counted), no_pull, PYTHON)
    for one, other in zip(at_once, point, strict=True):
        np.testing.assert_array_equal(one, other)
