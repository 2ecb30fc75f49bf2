"""Trajectories that turn about the centre of their mode leave the target invariant.

Not so if they are let out of it. See `tests.invariance.exact_draws`.
"""

import numpy as np
import pytest

from fhl_ppl.core import iteration as iteration_module
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.iteration import Tuning
from fhl_ppl.core.metrics.dense import make_metric
from tests.invariance.exact_draws import (
    METRICS,
    assert_caught,
    assert_invariant,
    follow,
    z_threshold,
)
from tests.invariance.jumping import make_modes, make_reference, with_step_size
from tests.targets import TARGETS

Z_THRESHOLD = z_threshold(len(COUPLINGS) * len(TARGETS))
SCALES = np.array([[1.0, 0.6, 1.8], [2.0, 1.0, 0.5], [1.0, 1.0, 1.0]])
home_of, kinetic_energy = iteration_module.home_of, iteration_module.kinetic_energy


def run(target, coupling, seed):
    exact, metric = TARGETS[target], make_metric(METRICS["dense"])
    homes = make_modes(exact.mean, exact.covariance)
    # The centres that are turned about differ by more than those that divide the space.
    centre = exact.mean + 3 * (homes.mixture.centre - exact.mean)
    homes = homes._replace(mixture=homes.mixture._replace(centre=centre), scales=SCALES)

    def go(step_size, seed, **settings):
        tuning = Tuning(step_size, 4, 1.0, metric, make_reference(exact), homes=homes)
        return follow(exact, "5 as 3+2", lambda *_: tuning, seed, coupling, **settings)

    return go(with_step_size(go), seed)


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("target", TARGETS)
def test_exact_draws_stay_exact(target, coupling):
    assert_invariant(run(target, coupling, 1), Z_THRESHOLD)


def test_trajectories_that_leave_their_mode_are_caught(monkeypatch):
    known = []

    def where_it_began(homes, position, control):
        """At the start of an iteration, at its end, and of what is kept."""
        if len(known) % 3 == 0:
            known.append(home_of(homes, position, control))
        else:
            known.append(known[-1])
        return known[-1]

    monkeypatch.setattr(iteration_module, "home_of", where_it_began)
    assert_caught(run("skewed", "alternate", 1), Z_THRESHOLD)


def test_an_energy_in_other_units_than_the_momentum_is_caught(monkeypatch):
    monkeypatch.setattr(
        iteration_module,
        "kinetic_energy",
        lambda metric, momentum: kinetic_energy(metric.common, momentum),
    )
    assert_caught(run("skewed", "alternate", 1), Z_THRESHOLD)
