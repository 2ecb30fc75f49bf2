"""A run in blocks stops when it should, and neither sooner nor later."""

import io
import os
import signal

import numpy as np
import pytest

from fhl_ppl import Until
from fhl_ppl.diagnostics import group_units
from fhl_ppl.running import _length_of_block
from fhl_ppl.runs import blocks, quality
from fhl_ppl.runs.blocks import block_length, run_in_blocks
from fhl_ppl.runs.kept import Kept
from fhl_ppl.runs.progress import Line
from tests.conftest import importorskip
from tests.running.fake import FakeSampling

importorskip("arviz")


def ran(sampling, until, callback=None, block=None, line=None):
    length = block or block_length(sampling.warmup_steps, until.draws or sampling.num_draws)
    kept = Kept(sampling, None, length, in_memory=True)
    return run_in_blocks(sampling, until, callback, length, kept, line or Line(False))


def check_stops_at_the_effective_draws(memory, expected):
    """`expected` is the ESS of a draw, of the quantity that has the least."""
    sampling = FakeSampling(memory=memory)
    status = ran(sampling, Until(ess=1000))
    assert status.stopped == "target"
    assert not status.missing
    found = 8 * status.draws * expected
    # It stops at the first look, a quarter apart and then at the end of a block, that says 1000;
    # an estimate has an error of some 15 %.
    assert 850 < found < 1000 * 1.25 * 1.35


@pytest.mark.parametrize("memory", [0.5, 0.9])
def test_it_stops_at_the_effective_draws(memory):
    # The sum of all autocorrelations is (1 + memory) / (1 - memory); that of squares is smaller.
    check_stops_at_the_effective_draws(memory, (1 - memory) / (1 + memory))


def test_without_the_groups_it_would_stop_too_early(monkeypatch):
    """Broken on purpose: particles that all agree are taken for eight chains."""

    class Copies(FakeSampling):
        def draw(self, count, stop):
            block = super().draw(count, stop)
            x = block.posterior["x"]
            return block._replace(posterior={"x": np.repeat(x[::4], 4, axis=0)})

    right = ran(Copies(memory=0.5), Until(ess=1000))
    monkeypatch.setattr(
        quality, "ess_group", lambda x, group, of=quality.ess_group: of(x, np.arange(len(group)))
    )
    wrong = ran(Copies(memory=0.5), Until(ess=1000))
    assert right.draws > 2.5 * wrong.draws


def test_squares_count():
    class Signs(FakeSampling):
        """Whose signs are independent, and whose size is not."""

        def draw(self, count, stop):
            block = super().draw(count, stop)
            x = np.abs(block.posterior["x"])
            return block._replace(posterior={"x": x * self.rng.choice([-1, 1], x.shape)})

    status = ran(Signs(memory=0.95), Until(ess=500))
    assert status.quality.ess_of == "x squared"
    assert status.draws > 500


def test_squares_are_of_deviations_from_the_mean_of_all_chains(rng):
    size = np.abs(np.cumsum(rng.normal(size=(8, 300)), axis=1))
    x = size * rng.choice([-1, 1], size.shape)
    group = np.arange(8) // 4
    found = quality.quality(["x"], {"x": x}.get, group)
    assert found.ess_of == "x squared"
    expected = group_units.ess_group((x - x.mean()) ** 2, group)
    np.testing.assert_allclose(found.ess, expected, rtol=1e-12)


def test_chains_that_disagree_never_get_good():
    sampling = FakeSampling(offset=np.repeat([0.0, 3.0], 4))
    status = ran(sampling, Until(ess=400, r_hat=1.01, draws=2000))
    assert (status.stopped, status.draws) == ("draws", 2000)
    assert "ESS" in status.missing
    assert "R-hat" in status.missing


def test_a_single_chain_that_drifts_is_seen():
    sampling = FakeSampling(num_chains=1, memory=0.999)
    assert ran(sampling, Until(r_hat=1.01, draws=400)).stopped == "draws"
    assert ran(FakeSampling(num_chains=1), Until(r_hat=1.05, draws=4000)).stopped == "target"


def test_nothing_that_varies_is_never_good():
    class Still(FakeSampling):
        def draw(self, count, stop):
            block = super().draw(count, stop)
            still = np.full_like(block.posterior["x"], np.inf)
            return block._replace(posterior={"still": 0 * block.posterior["x"], "inf": still})

    status = ran(Still(), Until(ess=1, r_hat=5, draws=300))
    assert status.stopped == "draws"
    assert "no scalar varies" in status.missing


def test_bounds():
    assert ran(FakeSampling(), Until(draws=250)).draws == 250
    # Warm-up counts: 200 iterations of eight, and then the block in which 2000 are reached.
    status = ran(FakeSampling(), Until(gradients=2000))
    assert (status.draws, status.gradients, status.stopped) == (100, 2400, "gradients")
    assert ran(FakeSampling(), Until(seconds=1e-9)).draws == 100


@pytest.mark.parametrize(("early", "warmup", "draws"), [(False, 200, 100), (True, 150, 100)])
def test_a_warm_up_may_end_early(early, warmup, draws):
    sampling = FakeSampling()
    kept = Kept(sampling, None, 50, True)
    status = run_in_blocks(sampling, Until(draws=draws), None, 50, kept, Line(False), early)
    assert (status.warmup, status.draws) == (warmup, draws)
    assert sampling.warmups == [50] * (warmup // 50)


def test_looks_are_far_apart(monkeypatch):
    seen = []

    def due(looks, draws, real=blocks.Looks.due):
        is_due = real(looks, draws)
        if is_due:
            seen.append(draws)
        return is_due

    monkeypatch.setattr(blocks.Looks, "due", due)
    ran(FakeSampling(memory=0.99), Until(ess=1e6, draws=3000), block=10)
    assert seen[0] == 100
    assert (np.divide(seen[1:], seen[:-1]) >= 1.25).all()


def test_a_look_costs_the_same_however_long_the_run(monkeypatch):
    monkeypatch.setattr(quality, "ENOUGH", 300)
    seen = []

    def ess(draws, group, real=quality.ess_group):
        seen.append(draws.shape[1])
        return real(draws, group)

    monkeypatch.setattr(quality, "ess_group", ess)
    status = ran(FakeSampling(memory=0.9), Until(ess=1000))
    assert status.stopped == "target"
    assert max(seen) <= 500
    assert 8 * status.draws * 0.1 / 1.9 > 850


@pytest.mark.parametrize(
    ("warmup", "draws", "lengths"), [(1000, 1000, {100}), (200, 50, {50}), (70, 30, {70, 30})]
)
def test_one_length_for_all_blocks_where_there_is_one(warmup, draws, lengths):
    sampling = FakeSampling(warmup=warmup, num_draws=draws)
    ran(sampling, Until(draws=draws))
    assert {*sampling.warmups, *sampling.lengths} == lengths
    assert sum(sampling.warmups) == warmup


def test_the_callback_sees_everything_and_stops():
    sampling, seen = FakeSampling(), []

    def callback(status):
        seen.append((status.draws, sampling.published[-1].shape[1]))
        return status.draws >= 300

    status = ran(sampling, Until(draws=1000), callback)
    assert seen == [(100, 100), (200, 200), (300, 300)]
    assert status.stopped == "callback"


def test_an_interrupt_keeps_the_draws_of_the_block():
    class Interrupted(FakeSampling):
        def draw(self, count, stop):
            calls = iter([False] * 7)

            def counted():
                if next(calls, True):
                    os.kill(os.getpid(), signal.SIGINT)
                return stop()

            return super().draw(count, counted)

    # In the background of a shell it is to be ignored.
    before = signal.getsignal(signal.SIGINT)
    sampling = Interrupted()
    status = ran(sampling, Until(draws=1000))
    assert (status.stopped, status.draws) == ("interrupt", 7)
    assert sampling.published[-1].shape == (8, 7)
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_at_any_other_place_keeps_the_blocks_before():
    def callback(status):
        if status.draws == 300:
            raise KeyboardInterrupt

    sampling = FakeSampling()
    status = ran(sampling, Until(draws=1000), callback)
    assert (status.stopped, status.draws) == ("interrupt", 300)
    assert sampling.published[-1].shape == (8, 300)


def test_an_interrupt_in_warm_up_is_one():
    class Interrupted(FakeSampling):
        def warm_up(self, count):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        ran(Interrupted(), Until(draws=1000))


def test_the_line_says_what_is_missing():
    out = io.StringIO()
    ran(FakeSampling(memory=0.9), Until(ess=10_000, draws=300), line=Line(True, out))
    shown = out.getvalue()
    for text in ("warm-up 100 of 200", "draws 300 of 300", "gradients", "of 10000 (x)"):
        assert text in shown
    assert shown.endswith("\n")


def test_no_line_without_a_terminal():
    out = io.StringIO()
    ran(FakeSampling(), Until(draws=300), line=Line(None, out))
    assert out.getvalue() == ""


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "at least one of ess, r_hat, draws"),
        ({"ess": 0}, ValueError, "ess must be above 0 and finite, got 0"),
        ({"ess": "400"}, TypeError, "ess must be a number or None, got '400'"),
        ({"ess": float("nan")}, ValueError, "ess must be above 0"),
        ({"draws": 10.5}, TypeError, "draws must be a whole number or None, got 10.5"),
        ({"draws": True}, TypeError, "draws must be a whole number"),
        ({"seconds": -1}, ValueError, "seconds must be above 0"),
        ({"gradients": 1e6}, TypeError, "gradients must be a whole number"),
        ({"r_hat": 1}, ValueError, "r_hat must be above 1"),
        ({"ess": 4, "sites": "mu"}, TypeError, "sites must be a sequence of names"),
        ({"ess": 4, "sites": [1]}, TypeError, "sites must be a sequence of names"),
        ({"ess": 4, "sites": iter(["mu"])}, TypeError, "sites must be a sequence of names"),
        ({"ess": 4, "sites": 5}, TypeError, "sites must be a sequence of names, or None, got 5"),
        ({"ess": float("inf")}, ValueError, "ess must be above 0 and finite, got inf"),
    ],
)
def test_bad_targets(arguments, error, message):
    with pytest.raises(error, match=message):
        Until(**arguments)


def test_blocks_stay_short_where_time_counts_and_never_grow_without_end():
    sampling = FakeSampling(warmup=200, num_draws=1000)
    assert _length_of_block(sampling, Until(draws=10**9, seconds=1), 100) == 100
    assert _length_of_block(sampling, Until(draws=10**9, gradients=9), 100) == 100
    assert _length_of_block(FakeSampling(warmup=30), Until(draws=10**30), 100) == 10_000


def test_an_unknown_site():
    with pytest.raises(ValueError, match=r"sites has 'y', which is not drawn; there are \['x'"):
        ran(FakeSampling(), Until(ess=10, sites=["x", "y"]))
