"""Models that ask Python questions are batched where the answer is the same for all."""

import math
import warnings

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

from fhl_ppl.pyro.batching import agreed
from fhl_ppl.pyro.batching.ladder import MOST_MISSES, Ladder
from fhl_ppl.pyro.model.layout import SiteLayout
from fhl_ppl.pyro.model.one_particle import Quantity, energy_and_gradient

LAYOUT = SiteLayout({"x": torch.zeros(2)})
POSITION = torch.tensor([[0.3, 1.0], [-0.2, 0.1], [1.0, -1.0]])
# Made outside of a model, and with validation of its samples in the instance.
EXPANDED = dist.Normal(torch.zeros(()), 1.0).expand([2]).to_event(1)


def expanded(x):
    return EXPANDED.log_prob(x)


def validated(x):
    return dist.Normal(0.0, x.exp(), validate_args=True).log_prob(x).sum()


def plate_loop(x):
    return sum(x[i] ** 2 / (i + 1) for i in pyro.plate("plate", 2))


def numbers_of_data(x):
    return x.sum() ** 2 * torch.arange(3.0).sum().item() + float(torch.ones(()))


def guarded(x):
    assert not torch.isnan(x).any()
    if (x > 50).any():
        raise ValueError("far out")
    return (x**2).sum()


def switched(x):
    return (x**2).sum() * (3.0 if x[0] > 50 else 1.0)


def branching(x):
    return (x**2).sum() * (3.0 if x[0] > 0 else 1.0)


LOG = []


def logs_float(x):
    LOG.append(float(x[0]))
    return (x**2).sum()


def logs_item(x):
    LOG.append(x[0].item())
    return (x**2).sum()


def logs_list(x):
    LOG.append(x.tolist())
    return (x**2).sum()


def logs_array(x):
    LOG.append(x.detach().numpy())
    return (x**2).sum()


def logs_text(x):
    LOG.append(f"{x[0]:.2f} of {x}")
    return (x**2).sum()


def bounded(x):
    if math.isnan(x[0]) or float(x[1]) > 50:
        raise ValueError("far out")
    return (x**2).sum()


def counted(x):
    assert int((x > -100).sum()) == len(x)
    assert torch.allclose(x, x)
    assert not torch.equal(x, x + 1)
    return (x**2).sum()


def far_out_other(x):
    return (x**2).sum() * (3.0 if float(x[0]) > 2 else 1.0)


def in_a_band(x):
    return (x**2).sum() * (3.0 if 0.51 < float(x[0]) < 0.52 else 1.0)


def ladder_of(function):
    return Ladder(energy_and_gradient(lambda sites: function(sites["x"]), LAYOUT))


def assert_right(ladder, position):
    for found, expected in zip(ladder(position), ladder.quantity.one_by_one(position), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "function",
    [
        *(expanded, validated, plate_loop, numbers_of_data, guarded, switched, counted, bounded),
        *(logs_float, logs_item, logs_list, logs_array, logs_text, far_out_other),
    ],
)
def test_on_the_fast_rung(function):
    ladder = ladder_of(function)
    assert_right(ladder, POSITION)
    assert (ladder.rung, ladder.reason) == ("fx", "")


def takes_the_number(x):
    return (x**2).sum() + 0.1 * int(x[0].item() * 10)


@pytest.mark.parametrize("function", [branching, takes_the_number])
def test_what_differs_between_particles_is_left_to_the_loop(function):
    ladder = ladder_of(function)
    with pytest.warns(RuntimeWarning, match=r"(?s)one by one.*test_guards.py, line \d+"):
        assert_right(ladder, POSITION)
    assert ladder.rung == "loop"


def test_a_particle_that_goes_another_way_is_right():
    ladder = ladder_of(switched)
    ladder(POSITION)
    far = POSITION.clone()
    far[1, 0] = 60.0
    assert_right(ladder, far)
    # All of them, which the record has not seen either.
    assert_right(ladder, POSITION + 60.0)
    assert ladder.rung == "fx"


@pytest.mark.parametrize("function", [guarded, bounded])
def test_a_guard_raises_as_in_a_loop(function):
    ladder = ladder_of(function)
    ladder(POSITION)
    far = POSITION.clone()
    far[2, 1] = 60.0
    with pytest.raises(ValueError, match="far out"):
        ladder(far)


def test_too_many_misses_end_in_the_loop():
    ladder = ladder_of(switched)
    far = POSITION.clone()
    far[1, 0] = 60.0
    ladder(POSITION)
    for _ in range(MOST_MISSES):
        ladder(far)
    with pytest.warns(RuntimeWarning, match=r"one by one.* control flow"):
        ladder(far)
    ladder(far)
    assert ladder.rung == "loop"


def random_positions(count, scale=1.0):
    generator = torch.Generator().manual_seed(0)
    return [scale * torch.randn((3, 2), generator=generator) for _ in range(count)]


def test_numbers_that_do_not_matter_are_soon_known(monkeypatch):
    ladder = ladder_of(logs_float)
    compared = []
    one_by_one = Quantity.one_by_one

    def counting(self, position):
        compared.append(len(position))
        return one_by_one(self, position)

    positions = random_positions(600)
    ladder(positions[0])
    monkeypatch.setattr(Quantity, "one_by_one", counting)
    for position in positions:
        ladder(position)
    assert ladder.rung == "fx"
    # Of 1800 particles some thirty are in a new bin or the farthest so far; nine are audits.
    assert sum(compared) < 90
    assert sum(compared[-20:]) < 40


def test_numbers_of_another_way_are_right():
    ladder = ladder_of(far_out_other)
    for position in random_positions(40):
        assert_right(ladder, position)
    # Beyond two of a thousand times one particle is 60 in 3000, too few to give up.
    assert ladder.rung == "fx"


def without_guards(monkeypatch):
    """Break the code on purpose: particles of another answer get what the first would."""
    monkeypatch.setattr(
        Ladder, "_settled", lambda self, used, position, outputs: self._parted(outputs)[0]
    )


def test_without_checks_a_frozen_number_is_seen(monkeypatch):
    without_guards(monkeypatch)
    ladder = ladder_of(far_out_other)
    ladder(POSITION)
    with pytest.raises(AssertionError, match="Mismatched"):
        assert_right(ladder, POSITION + 3)


def test_an_audit_finds_what_is_narrower_than_a_bin(monkeypatch):
    monkeypatch.setattr(agreed, "AUDIT_EVERY", 1)
    ladder = ladder_of(in_a_band)
    ladder(POSITION)
    ladder(torch.tensor([[0.5, 0.0]]).expand(3, 2))
    with pytest.warns(RuntimeWarning, match="one by one.* may have been wrong: run again"):
        ladder(torch.tensor([[0.515, 0.0]]).expand(3, 2))
    assert ladder.rung == "fx"
    ladder(POSITION)
    assert ladder.rung == "loop"


def test_without_guards_a_frozen_branch_is_seen(monkeypatch):
    """Breaks the code on purpose: particles of another answer get what the first would."""
    without_guards(monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ladder = ladder_of(switched)
        ladder(POSITION)
    far = POSITION.clone()
    far[1, 0] = 60.0
    with pytest.raises(AssertionError, match="Mismatched"):
        assert_right(ladder, far)
