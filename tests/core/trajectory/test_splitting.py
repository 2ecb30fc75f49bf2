"""Two-stage steps retrace themselves, keep volume, and make smaller errors in a Gaussian."""

import numpy as np
import pytest

from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.metrics import kinetic_energy
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.metrics.low_rank import LowRankMetric
from fhl_ppl.core.target import Plain
from fhl_ppl.core.trajectory.leapfrog import PhasePoint, elastic_leapfrog
from fhl_ppl.core.trajectory.reference import Reference
from fhl_ppl.core.trajectory.splitting import LEAPFROG, TWO_STAGE, XI, Splitting
from fhl_ppl.options import DENSE_LIMIT, Options
from tests.core.trajectory.test_leapfrog import ALL_FORCES, assert_keeps_volume, assert_reversible
from tests.targets import TARGETS, with_force

DIRECTIONS = np.linalg.qr(np.array([[1.0, 0.3], [-0.5, 1.0], [0.4, 0.2]]))[0]
METRIC = LowRankMetric(np.array([0.7, 1.0, 1.3]), DIRECTIONS, np.array([2.5, 0.4]))
REFERENCES = {"straight": None, "split": Reference(np.array([0.5, -1.0, 2.0]), np.asarray(0.8))}


def make_flow(num_steps, force="swirl", reference=None, splitting=TWO_STAGE):
    """The map (q, p) -> end, of particles that are pulled to a fixed place."""
    potential_and_gradient = with_force(TARGETS["skewed"], ALL_FORCES[force])

    def pull(position, energy):
        return np.tanh(energy)[:, None] * (position - 0.3)

    def flow(position, momentum, roles_at=None):
        return elastic_leapfrog(
            PhasePoint(position, momentum, *potential_and_gradient(position)),
            0.05,
            num_steps,
            METRIC,
            Plain(potential_and_gradient),
            pull,
            PYTHON,
            reference,
            splitting,
        )

    return flow


@pytest.fixture
def start(rng):
    return TARGETS["skewed"].sample(rng, 5), rng.standard_normal((5, 3))


@pytest.mark.parametrize("force", ALL_FORCES)
@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("num_steps", [1, 2, 6])
def test_an_even_number_of_steps_runs_back_and_keeps_volume(num_steps, reference, force, start):
    flow = make_flow(num_steps, force, REFERENCES[reference])
    assert_reversible(flow, start)
    assert_keeps_volume(flow, start)


def test_an_odd_number_of_steps_does_not_run_back(start):
    flow = make_flow(3)
    assert_keeps_volume(flow, start)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_reversible(flow, start)


def test_kicks_read_the_same_from_either_end_and_last_for_the_whole_time():
    for num_steps in (1, 2, 4, 10):
        half = [TWO_STAGE.half_kick(0.3, node, num_steps) for node in range(num_steps + 1)]
        np.testing.assert_allclose(half, half[::-1], rtol=1e-14)
        np.testing.assert_allclose(2 * sum(half) - half[0] - half[-1], 0.3 * num_steps, rtol=1e-14)
    first, middle, _ = (TWO_STAGE.half_kick(0.5, node, 2) for node in range(3))
    np.testing.assert_allclose([first, 2 * middle], [XI, 1 - 2 * XI], rtol=1e-14)


def test_a_single_step_is_the_leapfrog(start):
    for one, other in zip(
        make_flow(1)(*start), make_flow(1, splitting=LEAPFROG)(*start), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    two = make_flow(2)(*start).position
    assert (two != make_flow(2, splitting=LEAPFROG)(*start).position).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_kick_is_of_the_dtype_of_the_step_size(dtype):
    for num_steps in (4, np.asarray(4.0, dtype)):
        assert TWO_STAGE.half_kick(dtype(0.3), 1, num_steps).dtype == dtype


def test_energy_error_is_of_second_order(rng):
    target = TARGETS["skewed"]
    position, momentum = target.sample(rng, 6), rng.standard_normal((6, 3))
    start = PhasePoint(position, momentum, *target.potential_and_gradient(position))

    def worst_error(step_size):
        worst = 0
        for num_steps in range(2, round(2 / step_size) + 1, 2):
            end = elastic_leapfrog(
                start,
                step_size,
                num_steps,
                METRIC,
                Plain(target.potential_and_gradient),
                None,
                PYTHON,
                splitting=TWO_STAGE,
            )
            change = end.potential_energy + kinetic_energy(METRIC, end.momentum)
            change -= start.potential_energy + kinetic_energy(METRIC, start.momentum)
            worst = np.maximum(worst, np.abs(change))
        return worst

    np.testing.assert_allclose(worst_error(0.02) / worst_error(0.01), 4, rtol=0.05)


FREQUENCIES = np.linspace(0.05, 1, 39)


def mean_errors(splitting, step_size, num_steps):
    """Mean energy error over exact draws, of oscillators of each of the `FREQUENCIES`.

    It is exact: the error is a quadratic form, so its mean is that over two orthogonal starts.
    """

    def potential_and_gradient(q):
        return np.sum((FREQUENCIES * q) ** 2, axis=1) / 2, FREQUENCIES**2 * q

    ones = np.ones_like(FREQUENCIES)
    position, momentum = np.stack([1 / FREQUENCIES, 0 * ones]), np.stack([0 * ones, ones])
    end = elastic_leapfrog(
        PhasePoint(position, momentum, *potential_and_gradient(position)),
        step_size,
        num_steps,
        make_metric(ones),
        Plain(potential_and_gradient),
        None,
        PYTHON,
        splitting=splitting,
    )
    return np.sum((FREQUENCIES * end.position) ** 2 + end.momentum**2, axis=0) / 2 - 1


@pytest.mark.parametrize("num_steps", [2, 4, 6, 20])
@pytest.mark.parametrize("step_size", [0.5, 1.0, 1.2])
def test_the_error_in_a_gaussian_is_smaller_at_the_same_cost(step_size, num_steps):
    two_stage, leapfrog = (
        np.sum(mean_errors(splitting, step_size, num_steps)) for splitting in (TWO_STAGE, LEAPFROG)
    )
    assert 0 < two_stage < leapfrog / 3


def test_no_other_weight_has_a_smaller_worst_error():
    def worst(xi):
        splitting = Splitting(2 * xi - 0.5, 2)
        return max(np.max(mean_errors(splitting, 1.2, count)) for count in range(2, 42, 2))

    assert worst(XI) < min(worst(XI - 0.001), worst(XI + 0.001))


@pytest.mark.parametrize(
    ("settings", "dim", "expected"),
    [
        ({}, DENSE_LIMIT + 1, TWO_STAGE),
        ({"dense_mass": "low_rank"}, 3, TWO_STAGE),
        ({"trajectory_length": 2.0}, DENSE_LIMIT + 1, TWO_STAGE),
        ({}, DENSE_LIMIT, LEAPFROG),
        ({"dense_mass": False}, DENSE_LIMIT + 1, LEAPFROG),
        ({"num_steps": 4}, DENSE_LIMIT + 1, LEAPFROG),
        ({"integrator": "leapfrog"}, DENSE_LIMIT + 1, LEAPFROG),
        ({"adapt_mass_matrix": False}, DENSE_LIMIT + 1, LEAPFROG),
        ({"trusts_gradient": False}, DENSE_LIMIT + 1, LEAPFROG),
        ({"trusts_gradient": False, "noisy_gradient": True}, DENSE_LIMIT + 1, LEAPFROG),
    ],
)
def test_two_stages_are_for_split_steps_by_a_metric_of_low_rank(settings, dim, expected):
    assert Options(**settings).plan(100, dim).splitting == expected


@pytest.mark.parametrize(("given", "dim", "planned"), [(1, 400, 1), (9, 400, 8), (9, 40, 9)])
def test_the_planned_cap_is_one_that_can_be_reached(given, dim, planned):
    assert Options(max_num_steps=given).plan(100, dim).max_num_steps == planned
