"""Windows lie in the warm-up and grow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhl_ppl.core.learners.windows import FINAL_SHARE, FIRST_WINDOW, slot_due, window_ends


@given(st.integers(0, 20_000))
def test_windows_lie_in_the_warm_up_and_grow(num_warmup):
    ends = window_ends(num_warmup)
    assert all(isinstance(end, int) for end in ends)
    lengths = np.diff([0, *ends])
    assert (lengths > 0).all()
    if num_warmup >= FIRST_WINDOW / (1 - FINAL_SHARE) + 1:
        # The last renewal leaves the step size the share that it is due.
        assert abs(num_warmup - ends[-1] - FINAL_SHARE * num_warmup) < 1
        assert lengths[0] >= FIRST_WINDOW
        assert (np.diff(lengths) >= 0).all()
    else:
        assert len(ends) <= 1
        assert all(FIRST_WINDOW <= end <= num_warmup for end in ends)


@pytest.mark.parametrize("num_warmup", [0, 1, 5, 10, 11])
def test_a_short_warm_up_has_no_windows(num_warmup):
    assert window_ends(num_warmup) == ()


def test_windows_of_a_usual_warm_up():
    assert window_ends(1000) == (10, 26, 51, 92, 158, 262, 430, 850)


@pytest.mark.parametrize("slots", [1, 4, 16])
def test_slots_spread_over_every_window(slots):
    ends = window_ends(1000)
    for start, end in zip((0, *ends), ends, strict=False):
        seen = [slot_due(k, ends, slots) for k in range(start, end)]
        taken = [(k, slot) for k, (due, slot) in enumerate(seen) if due]
        assert len(taken) == min(slots, end - start)
        assert taken[0] == (0, 0)
        gaps = np.diff([k for k, _ in taken])
        assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1
        assert len({slot for _, slot in taken}) == len(taken)
        assert max(slot for _, slot in taken) < slots
    assert not any(slot_due(k, ends, slots)[0] for k in range(ends[-1], 1000))
    assert slot_due(0, (), slots)[0] == 0
