"""`fhl_ppl.mode_changes`: counted chain by chain."""

import numpy as np
import pytest

from fhl_ppl import mode_changes
from tests.conftest import importorskip
from tests.diagnostics.particles import inference_data

arviz = importorskip("arviz")

LABELS = np.array([[0, 0, 1, 0, 2], [1, 1, 1, 1, 1], [0, 1, 0, 1, 0]])


@pytest.fixture
def data(rng):
    x = 10.0 * LABELS + rng.normal(size=LABELS.shape)
    vector = np.stack([x, x], axis=-1)
    return inference_data({"x": x, "v": vector, "label": LABELS}, np.array([0, 0, 1]))


def nearest(posterior):
    # In another order of dimensions, as xarray's operations may leave it.
    return (posterior["x"] / 10).round().transpose("draw", "chain")


@pytest.mark.parametrize("mode", [LABELS, LABELS.tolist(), nearest, "label", LABELS.astype(str)])
def test_changes_are_counted_for_each_chain(data, mode):
    table = mode_changes(data, mode)
    assert list(table["changes"]) == [3, 0, 4]
    assert list(table["modes"]) == [3, 1, 2]
    assert list(table["group"]) == [0, 0, 1]
    assert table.index.name == "chain"


def test_strung_together_chains_would_count_more(data):
    """Broken on purpose: the seams between chains are no changes."""
    seams = LABELS.reshape(1, -1)
    table = mode_changes(inference_data({"x": seams.astype(float)}), seams)
    assert table["changes"].sum() > mode_changes(data, LABELS)["changes"].sum()


def test_without_groups_there_is_no_column_of_them():
    table = mode_changes(inference_data({"label": LABELS}), "label")
    assert list(table.columns) == ["modes", "changes"]


def test_refuses_what_is_not_one_label_a_draw(data):
    with pytest.raises(ValueError, match=r"one label for each draw, shape \(3, 5\), got \(3, 4\)"):
        mode_changes(data, LABELS[:, :4])
    with pytest.raises(ValueError, match=r"got \(3, 5, 2\); reduce a vector"):
        mode_changes(data, lambda posterior: posterior["v"] > 0)
    with pytest.raises(ValueError, match="mode has 'y', which is not in the posterior"):
        mode_changes(data, "y")


def test_a_quantity_is_no_label(data):
    with pytest.raises(ValueError, match="numbers that are not whole"):
        mode_changes(data, "x")
