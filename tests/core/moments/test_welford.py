"""Pooled moments are those of all vectors at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhl_ppl.core.moments import welford

batches = st.lists(st.integers(1, 5), min_size=1, max_size=8)


@given(batches, st.booleans(), st.floats(-1e3, 1e3), st.integers(0, 1000))
def test_pooled_moments_are_those_of_all_vectors(sizes, is_dense, offset, seed):
    rng = np.random.default_rng(seed)
    parts = [offset + rng.standard_normal((size, 3)) * [1, 10, 0.1] for size in sizes]
    moments = welford.empty(parts[0], is_dense)
    for part in parts:
        moments = welford.update(moments, part)
    everything = np.concatenate(parts)
    assert moments.count == len(everything)
    np.testing.assert_allclose(moments.mean, everything.mean(axis=0), rtol=1e-12)
    if len(everything) < 2:
        np.testing.assert_array_equal(welford.covariance(moments), 0)
        return
    expected = np.cov(everything.T)
    got = welford.covariance(moments)
    scale = np.sqrt(np.diag(expected))
    if not is_dense:
        expected, scale = np.diag(expected), scale**2
        np.testing.assert_allclose(got / scale, expected / scale, rtol=1e-9)
        return
    np.testing.assert_allclose(
        got / scale / scale[:, None], expected / scale / scale[:, None], atol=1e-9
    )


def test_forgetting_the_shift_of_the_mean_is_noticed(monkeypatch):
    def without_shift(moments, batch):
        new = update(moments, batch)
        centred = batch - batch.mean(axis=0)
        own = centred.T @ centred if new.scatter.ndim == 2 else (centred**2).sum(axis=0)
        return new._replace(scatter=moments.scatter + own)

    update = welford.update
    monkeypatch.setattr(welford, "update", without_shift)
    with pytest.raises(AssertionError):
        test_pooled_moments_are_those_of_all_vectors.hypothesis.inner_test([2, 3], True, 1.0, 0)
