"""A tempered run whose replicas never went to the reference and back is warned of."""

from fhl_ppl.diagnostics.checks import _no_round_trips


def test_no_round_trip_is_told_with_the_remedy():
    told = _no_round_trips({"round_trips": [0.0, 0.0], "swap_rejections": [0.5, 0.98]})
    assert "98%" in told
    assert "more temperatures" in told


def test_round_trips_and_runs_without_temperatures_are_silent():
    assert not _no_round_trips({"round_trips": [0.0, 1.0], "swap_rejections": [0.5, 0.98]})
    assert not _no_round_trips({})
