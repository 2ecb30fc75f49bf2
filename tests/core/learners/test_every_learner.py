"""Every learner keeps its form, survives what is no number, freezes, and can be saved by name."""

from functools import cache

import numpy as np
import pytest

from fhl_ppl.core.learners import LEARNERS
from fhl_ppl.core.moments import principal_scale
from tests import learners
from tests.learners import CASES, CHECKS, PLANS, check_tuning, tell


@cache
def story(plan, dtype=np.float64):
    return tell(PLANS[plan], dtype)


@pytest.mark.parametrize(("plan", "name"), CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("check", CHECKS)
def test_every_learner_passes(check, name, plan, dtype):
    CHECKS[check](story(plan, dtype), name)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_iteration_far_out_leaves_the_tuning_finite(plan, dtype):
    check_tuning(story(plan, dtype))


def test_a_power_iteration_that_takes_anything_in_fails(monkeypatch):
    def anything(scale, position, metric):
        return scale._replace(direction=scale.direction + position.mean(axis=0))

    monkeypatch.setattr(principal_scale, "update", anything)
    with pytest.raises(AssertionError):
        check_tuning(story("dense"))


BROKEN = {
    "form": (learners.DoublesPrecision, learners.Grows),
    "finite": (learners.NeverForgets,),
    "saved": (learners.Nameless,),
}


@pytest.mark.parametrize(
    ("check", "broken"), [(check, each) for check, many in BROKEN.items() for each in many]
)
def test_a_broken_learner_fails(check, broken, monkeypatch):
    monkeypatch.setitem(LEARNERS, "toy", lambda plan: broken())
    with pytest.raises(AssertionError):
        CHECKS[check](tell(PLANS["dense"], np.float32), "toy")


def test_a_sound_learner_passes(monkeypatch):
    monkeypatch.setitem(LEARNERS, "toy", lambda plan: learners.Broken())
    for check in CHECKS.values():
        check(tell(PLANS["dense"], np.float32), "toy")


def test_a_sampler_that_goes_on_learning_fails():
    told = tell(PLANS["charted"])
    told.run.sampler = told.run.sampler._replace(num_warmup=1000)
    failed = []
    for name in LEARNERS:
        try:
            CHECKS["frozen"](told, name)
        except AssertionError:
            failed.append(name)
    # The others wait for the end of a window, or for a proposal that is lost.
    learning = {"step_size", "reference", "trajectory_length", "pull", "move_shares", "moments"}
    assert learning <= set(failed) < set(LEARNERS)
