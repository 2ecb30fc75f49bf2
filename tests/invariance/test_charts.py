"""In any chart exact draws stay exact; with a wrong Jacobian they do not."""

import numpy as np
import pytest
from scipy.stats import norm

from fhl_ppl.core.charts import chart as charts
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.iteration import Tuning, iterate
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.state import State
from fhl_ppl.core.target import Plain
from fhl_ppl.core.target.charted import Charted
from tests.core.charts.any_chart import any_chart
from tests.invariance.exact_draws import (
    FALSE_ALARM_RATE,
    MIN_ACCEPTANCE,
    NUM_MOMENTS,
    compare,
    make_runs,
)
from tests.loops import draw
from tests.targets import TARGETS

Z_THRESHOLD = float(norm.isf(FALSE_ALARM_RATE / (NUM_MOMENTS * len(COUPLINGS) * len(TARGETS)) / 2))
"""Bonferroni's threshold for |z|: a correct library fails anywhere in this file with a probability
of at most `FALSE_ALARM_RATE`, were the seeds drawn anew."""


def bad_chart():
    """A chart that suits nothing, in three dimensions."""
    whole = any_chart(seed=7)
    start = charts.identity(np.zeros((1, 3)))
    weights = type(whole.hierarchy.weights)(*(part[..., :3] for part in whole.hierarchy.weights))
    mixing = np.array([[1.0, 0.2, 0.0], [0.3, 0.8, -0.2], [0.0, 0.4, 1.2]])
    return start._replace(
        hierarchy=start.hierarchy._replace(
            centre=np.array([0.5, 0.0, -0.5]),
            mixing=mixing,
            unmixing=np.linalg.inv(mixing),
            log_volume=np.linalg.slogdet(mixing)[1],
            drivers=np.eye(3)[:2],
            is_child=np.array([0.0, 0.0, 1.0]),
            weights=weights,
        ),
        local=start.local._replace(
            common=np.eye(3)[0],
            own=np.array([[0.0, 0, 0], [0, 0, 0], [0, 1, 0]]),
            is_child=np.array([0.0, 0.0, 1.0]),
            unit=np.full(3, 1.2),
            weights=type(whole.local.weights)(*(part[..., :3] for part in whole.local.weights)),
        ),
        tails=start.tails._replace(is_heavy=np.array([0.0, 1.0, 1.0]), width=np.full(3, 1.5)),
        skew=start.skew._replace(is_bent=np.array([1.0, 0.0, 0.0]), tilt=np.full(3, 0.3)),
    )


class WithoutVolume(Charted):
    """Broken on purpose: the energy leaves the Jacobian out."""

    def evaluate(self, position, number, known, is_start):
        energy, gradient = super().evaluate(position, number, known, is_start)
        return energy + charts.to_position(self.chart, position)[1], gradient


def run(name, coupling, seed, charted=Charted, num_groups=30_000):
    target, chart = TARGETS[name], bad_chart()
    rng = np.random.default_rng(seed)
    groups = make_runs("5 as 3+2", num_groups)
    start = target.sample(rng, len(groups.group))
    moving = charted(Plain(target.potential_and_gradient), chart, PYTHON)
    tuning = Tuning(0.2, 4, 1.0, make_metric(np.ones(3)))
    accepted = []
    with np.errstate(all="ignore"):
        y = charts.to_coordinates(chart, start)
        state = State(y, *moving.evaluate(y, 0, 0 * y[:, 0], False))
        for _ in range(3):
            state, info = iterate(
                state, draw(rng, *y.shape), tuning, groups, COUPLINGS[coupling], moving, PYTHON
            )
            accepted.append(np.mean(info.accepted))
    end, _ = charts.to_position(chart, state.position)
    return compare(target, groups, start, end, float(np.min(accepted)))


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("name", TARGETS)
def test_exact_draws_stay_exact_in_a_bad_chart(name, coupling):
    outcome = run(name, coupling, seed=3)
    assert outcome.acceptance > MIN_ACCEPTANCE, "nothing moved, so nothing was tested"
    assert outcome.worst < Z_THRESHOLD, outcome


def test_without_the_jacobian_they_do_not():
    assert run("gaussian", "alternate", 3, WithoutVolume).worst > 2 * Z_THRESHOLD
