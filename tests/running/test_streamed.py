"""A run that keeps no draws says of them what one that keeps them does."""

import numpy as np
import pytest

from fhl_ppl import Until
from fhl_ppl.runs import streamed
from fhl_ppl.runs.blocks import run_in_blocks
from fhl_ppl.runs.former import Former
from fhl_ppl.runs.kept import Kept
from fhl_ppl.runs.progress import Line
from fhl_ppl.runs.streamed import Taken, partitions, starts_of_superchains
from tests.conftest import importorskip
from tests.running.fake import FakeSampling


def ran(sampling, until, superchains=None, sites=None):
    taken = Taken(sampling, superchains, sites)
    status = run_in_blocks(sampling, until, None, 100, taken, Line(False))
    return taken.result(status)


def test_it_says_of_the_draws_what_they_say_themselves():
    until = Until(draws=250)
    found = ran(FakeSampling(num_chains=16, memory=0.5), until, superchains=2)
    sampling = FakeSampling(num_chains=16, memory=0.5)
    kept = Kept(sampling, None, 100, in_memory=True)
    run_in_blocks(sampling, until, None, 100, kept, Line(False))
    draws = kept.read("x", 1)
    np.testing.assert_allclose(found.mean["x"], draws.mean(), rtol=1e-10)
    np.testing.assert_allclose(found.sd["x"], draws.std(ddof=1), rtol=1e-10)
    np.testing.assert_array_equal(found.last["x"], draws[:, -1])
    assert found.status.draws == 250
    assert found.mean["still"].shape == (2,)


def test_warm_up_is_no_draw():
    sampling = FakeSampling()
    assert ran(sampling, Until(draws=50)).status.draws == 50
    assert sum(sampling.warmups) == 200


def test_it_stops_when_it_is_good():
    # Of independent draws; of 250 groups the ESS has an error of a tenth.
    found = ran(FakeSampling(num_chains=1000, warmup=0), Until(ess=150_000, draws=1000))
    assert found.status.stopped == "target"
    assert 100 <= found.status.draws <= 300
    assert found.status.quality.ess_of == "x"


def test_chains_that_lie_apart_are_seen():
    """Also shows that superchains hide it if each has some of both kinds."""
    apart = FakeSampling(num_chains=16, offset=np.repeat([0.0, 3.0], 8))
    found = ran(apart, Until(draws=100), superchains=2)
    assert found.r_hat["x"] > 1.3
    assert found.r_hat_nested["x"] > 1.3
    mixed = FakeSampling(num_chains=16, offset=np.tile([0.0, 3.0], 8))
    found = ran(mixed, Until(draws=100), superchains=2)
    assert found.r_hat["x"] > 1.3
    assert found.r_hat_nested["x"] < 1.05


def test_the_comparison_is_the_same_in_parts(monkeypatch):
    one = ran(FakeSampling(), Until(draws=100))
    monkeypatch.setattr(streamed, "AT_A_TIME", 8)
    other = ran(FakeSampling(), Until(draws=100))
    np.testing.assert_array_equal(one.mean["still"], other.mean["still"])


def test_only_the_sites_that_are_asked_for():
    found = ran(FakeSampling(), Until(draws=100), sites=["x"])
    assert list(found.mean) == list(found.last) == ["x"]
    with pytest.raises(ValueError, match=r"sites has 'y', which is not drawn"):
        Taken(FakeSampling(), None, ["y"])


def test_a_table():
    importorskip("pandas")
    table = ran(FakeSampling(), Until(draws=100)).table()
    assert list(table.index) == ["x", "still[0]", "still[1]"]
    assert list(table.columns) == ["mean", "sd", "mcse", "ess", "r_hat", "r_hat_nested"]


@pytest.mark.parametrize("superchains", [0, 1, 3, 8, -2])
def test_superchains_are_of_whole_groups(superchains):
    with pytest.raises(ValueError, match=r"divide the 4 groups of 16 chains"):
        partitions(np.arange(16) // 4, superchains)


def test_superchains_are_a_number():
    with pytest.raises(TypeError, match="superchains must be a whole number"):
        partitions(np.arange(16) // 4, 2.0)


def test_a_superchain_starts_where_its_first_chain_was():
    former = Former({"x": np.arange(12.0), "y": np.arange(24.0).reshape(12, 2)}, np.ones(3))
    found = starts_of_superchains(former, 3)
    np.testing.assert_array_equal(found.places["x"], np.repeat([0.0, 4.0, 8.0], 4))
    np.testing.assert_array_equal(found.places["y"][:, 1], np.repeat([1.0, 9.0, 17.0], 4))
    assert found.inverse_mass_matrix is None
