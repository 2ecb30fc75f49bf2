"""With a low-rank metric exact draws stay exact; with directions that do not fit they do not.

As in `tests.invariance.test_moves`: all that is fitted is wrong on purpose.
"""

import numpy as np
import pytest

from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.iteration import Tuning
from fhl_ppl.core.metrics.low_rank import LowRankMetric
from fhl_ppl.core.moves.move import FittedGaussian
from fhl_ppl.core.trajectory.reference import Reference
from fhl_ppl.core.trajectory.splitting import TWO_STAGE
from tests.invariance.exact_draws import MIN_ACCEPTANCE, follow, z_threshold
from tests.invariance.jumping import make_modes, mixed, with_jumps
from tests.targets import TARGETS

Z_THRESHOLD = z_threshold(len(COUPLINGS) * len(TARGETS))

DIRECTIONS = np.linalg.qr(np.array([[1.0, 0.3], [-0.5, 1.0], [0.4, 0.2]]))[0]
METRIC = LowRankMetric(np.array([0.7, 1.0, 1.3]), DIRECTIONS, np.array([2.5, 0.4]))


def run(target, coupling, seed, metric=METRIC, num_steps=4, step_size=0.3, **settings):
    """Trajectories of two-stage steps and jumps in turn, all by this metric."""
    target = TARGETS[target]
    fitted = FittedGaussian(target.mean + 0.3, metric, np.eye(3)[0], np.asarray(1.0))
    homes = make_modes(target.mean, target.covariance)
    reference = Reference(target.mean - 0.3, np.asarray(0.8))
    tuning = Tuning(step_size, num_steps, 1.0, metric, reference, splitting=TWO_STAGE)

    def tune(iteration, draws, groups):
        return with_jumps(tuning, mixed(fitted, iteration, draws, homes))

    return follow(target, "5 as 3+2", tune, seed, coupling, iterations=5, **settings)


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("target", TARGETS)
def test_exact_draws_stay_exact(target, coupling):
    outcome = run(target, coupling, seed=3)
    assert outcome.acceptance > MIN_ACCEPTANCE, "nothing moved, so nothing was tested"
    assert outcome.worst < Z_THRESHOLD, outcome


def test_directions_that_are_not_orthonormal_are_not_exact():
    # Then W'W is not M: the momentum is drawn from another law than the test assumes.
    skewed = METRIC._replace(directions=DIRECTIONS @ np.array([[1.0, 0.5], [0.0, 1.0]]))
    assert run("gaussian", "alternate", 3, skewed).worst > 2 * Z_THRESHOLD


def test_an_odd_number_of_two_stage_steps_is_not_exact():
    # Run backwards it would begin with the kick that it ends with.
    outcome = run("skewed", "alternate", 3, num_steps=3, step_size=0.45, num_groups=150_000)
    assert outcome.worst > 2 * Z_THRESHOLD
