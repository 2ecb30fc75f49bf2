"""Tunings worked out ahead are those of the iterations one by one."""

import numpy as np
import pytest

from fhl_ppl.core import tuning, warmup
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.plan import Kind
from fhl_ppl.core.sampler import step
from fhl_ppl.core.state import Draws
from fhl_ppl.core.target import Plain, state_at
from fhl_ppl.core.tuning import tune
from fhl_ppl.core.tuning_ahead import tune_ahead
from tests.conftest import importorskip
from tests.golden.scenarios import by_name, from_names
from tests.loops import draw
from tests.plans import make_sampler
from tests.targets import TARGETS

WARMUP, AHEAD = 25, 40
SETTINGS = {
    "default": {},
    "no jumps": {"jumps": ()},
    "two jumps": {"jumps": ("rotation", "approach")},
    "no pull": {"pulling_strength": 0.0},
    "given pull": {"pulling_strength": 2.0},
    "kinds": {"kinds": (Kind(1, 0.4), Kind(4, 0.6)), "trusts_gradient": False},
    "given steps": {"num_steps": 3},
}
TARGET = Plain(TARGETS["skewed"].potential_and_gradient)


def warm_up(sampler, rng):
    state = state_at(TARGET, TARGETS["skewed"].sample(rng, 7))
    groups = make_groups(7, 4, like=state.position)
    learnt = warmup.start(sampler, state, np.array(0.5), np.eye(3))
    for k in range(WARMUP):
        draws = draw(rng, 7, 3)
        with np.errstate(all="ignore"):
            state, learnt, _, _ = step(sampler, groups, state, learnt, k, draws, TARGET, PYTHON)
    return learnt


def assert_same(found, wanted):
    if hasattr(wanted, "_fields"):
        for field in wanted._fields:
            assert_same(getattr(found, field), getattr(wanted, field))
    elif wanted is None:
        assert found is None
    else:
        np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=1e-12)


def as_it_is_ahead(tuned):
    """Less what learners ask for, as nobody learns any more, and what has no effect."""
    tuned = tuned._replace(direction=None, pull=None, kind=None)
    strength = tuned.pulling_strength
    if strength is not None and not (strength > 0).any():
        tuned = tuned._replace(pulling_strength=None)
    if tuned.jump is not None and tuned.jump.happens > 0:
        return tuned._replace(pulling_strength=None, reference=None)
    return tuned._replace(jump=None)


def assert_ahead_is_as_one_by_one(sampler, learnt, on_host, uniform, noise):
    groups = make_groups(7, 4, like=uniform)
    iterations = np.arange(WARMUP, WARMUP + AHEAD)
    ahead = tune_ahead(sampler, learnt, on_host, groups, iterations, uniform)
    for k, found in zip(iterations, ahead, strict=True):
        row = uniform[k - WARMUP, :]
        wanted = tune(sampler, learnt, groups, int(k), Draws(noise, row, row, row))
        assert_same(as_it_is_ahead(found), as_it_is_ahead(wanted))
    jumps = [one.jump is not None for one in ahead]
    assert any(jumps) == bool(sampler.jumps)
    assert not all(jumps)


@pytest.mark.parametrize("name", SETTINGS)
def test_ahead_is_as_one_by_one(name, rng):
    sampler = make_sampler(WARMUP, **SETTINGS[name])
    learnt = warm_up(sampler, rng)
    uniform, noise = rng.random((AHEAD, 7)), rng.standard_normal((7, 3))
    assert_ahead_is_as_one_by_one(sampler, learnt, learnt, uniform, noise)


@pytest.mark.parametrize("name", SETTINGS)
def test_ahead_is_as_one_by_one_in_torch(name, rng):
    torch = importorskip("torch")
    sampler = make_sampler(WARMUP, **SETTINGS[name])
    on_host = warm_up(sampler, rng)
    arrays = {key: torch.as_tensor(value) for key, value in by_name(on_host).items()}
    uniform, noise = rng.random((AHEAD, 7)), rng.standard_normal((7, 3))
    assert_ahead_is_as_one_by_one(
        sampler,
        from_names(arrays, on_host),
        on_host,
        torch.from_numpy(uniform),
        torch.from_numpy(noise),
    )


def one_late(sampler, learnt, groups, iteration, draws):
    return tuning.tune(sampler, learnt, groups, iteration + 1, draws)


def test_another_number_of_the_iteration_is_noticed(rng, monkeypatch):
    sampler = make_sampler(WARMUP)
    learnt = warm_up(sampler, rng)
    uniform, noise = rng.random((AHEAD, 7)), rng.standard_normal((7, 3))
    monkeypatch.setitem(globals(), "tune", one_late)
    with pytest.raises(AssertionError):
        assert_ahead_is_as_one_by_one(sampler, learnt, learnt, uniform, noise)
