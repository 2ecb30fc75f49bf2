"""`fhl_ppl.moves`: what each kind of move did."""

import numpy as np
import pytest

from fhl_ppl import moves
from fhl_ppl.core.moves import MOVES
from fhl_ppl.diagnostics import moves as module
from tests.conftest import importorskip
from tests.diagnostics.particles import inference_data

arviz = importorskip("arviz")


@pytest.fixture
def statistics(rng):
    """Trajectories of 3 to 5 steps, renewals and leaps."""
    move = rng.choice([0, 1, 6], size=(8, 500), p=[0.6, 0.3, 0.1]).astype(np.int8)
    steps = np.where(move == 0, rng.integers(3, 6, move.shape), 1)
    return {
        "move": move,
        "acceptance_rate": rng.uniform(size=move.shape).astype(np.float32),
        "n_steps": steps,
        "squared_jump": rng.exponential(size=move.shape).astype(np.float32),
    }


def table_of(statistics, **attrs):
    draws = {"x": np.zeros(statistics["move"].shape)}
    return moves(inference_data(draws, np.repeat([0, 1], 4), statistics, **attrs))


def check(statistics):
    table = table_of(statistics)
    assert list(table.index) == ["trajectory", "renewal", "leap", "all"]
    for name in table.index:
        code = None if name == "all" else MOVES.index(name)
        mask = np.ones((8, 500), bool) if code is None else statistics["move"] == code
        row = table.loc[name]
        np.testing.assert_allclose(row["share"], mask.mean())
        for column in ("acceptance_rate", "n_steps", "squared_jump"):
            expected = statistics[column][mask].astype(float).mean()
            np.testing.assert_allclose(row[column], expected)
        gradients = statistics["n_steps"][mask].sum()
        np.testing.assert_allclose(
            row["squared_jump_per_gradient"],
            statistics["squared_jump"][mask].astype(float).sum() / gradients,
        )
    np.testing.assert_allclose(table["share"][:-1].sum(), 1)


def test_every_move_has_its_row(statistics):
    check(statistics)


def test_the_check_notices_shifted_names(statistics, monkeypatch):
    monkeypatch.setattr(module, "MOVES", (*MOVES[1:], MOVES[0]))
    with pytest.raises(AssertionError):
        check(statistics)


def test_names_are_those_that_the_data_bring(statistics):
    statistics["move"][statistics["move"] == 6] = 2
    assert list(table_of(statistics, moves="path, hop, skip").index) == [
        *("path", "hop", "skip", "all")
    ]


@pytest.mark.parametrize("missing", ["move", "squared_jump"])
def test_refuses_draws_of_another_kernel(statistics, missing):
    draws = {"x": np.zeros((8, 500))}
    kept = {name: value for name, value in statistics.items() if name != missing}
    with pytest.raises(ValueError, match=f"no statistic '{missing}'.*kernel FHL"):
        moves(inference_data(draws, None, kept))
    with pytest.raises(ValueError, match="no statistic 'move'"):
        moves(inference_data(draws))


def test_refuses_what_is_no_run():
    with pytest.raises(TypeError, match="got int"):
        moves(3)
