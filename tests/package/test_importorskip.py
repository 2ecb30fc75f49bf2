"""The skip for a missing library becomes a failure where everything has to run."""

import pytest

from tests import conftest


def test_missing_is_skipped_by_default(monkeypatch):
    monkeypatch.delenv("FHL_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no_such_module is not installed"):
        conftest.importorskip("no_such_module")


def test_missing_fails_where_all_is_required(monkeypatch):
    monkeypatch.setenv("FHL_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="no_such_module is missing"):
        conftest.importorskip("no_such_module")


def test_a_backend_left_out_is_skipped_even_then(monkeypatch):
    monkeypatch.setenv("FHL_REQUIRE_ALL", "1")
    monkeypatch.setitem(conftest.BACKEND_OF, "no_such_module", "pyro")
    monkeypatch.setenv("FHL_BACKENDS", "numpyro")
    with pytest.raises(pytest.skip.Exception):
        conftest.importorskip("no_such_module")
    monkeypatch.setenv("FHL_BACKENDS", "numpyro pyro")
    with pytest.raises(pytest.fail.Exception):
        conftest.importorskip("no_such_module")


def test_present_is_returned():
    assert conftest.importorskip("json").loads("1") == 1
