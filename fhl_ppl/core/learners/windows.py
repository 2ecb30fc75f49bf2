"""When the metric is renewed: windows that double, as in Stan, but from the first iterations on."""

from typing import Any

Array = Any

FIRST_WINDOW = 10
"""Iterations before the first renewal."""
GROWTH = 1.6
"""Each window is this much longer than the one before."""
FINAL_SHARE = 0.15
"""Share of the warm-up kept for the step size alone, after the last renewal."""


def window_ends(num_warmup: int) -> tuple[int, ...]:
    """Iterations (counted from 1) after which the metric is renewed.

    >>> window_ends(1000)[-1]
    850
    >>> window_ends(5)
    ()
    """
    last = int(num_warmup * (1 - FINAL_SHARE))
    ends = []
    end = length = float(FIRST_WINDOW)
    # The last window takes in what is too short for another one.
    while end + length * GROWTH <= last:
        ends.append(int(end))
        length *= GROWTH
        end += length
    return (*ends, last) if last >= FIRST_WINDOW else ()


def slot_due(iteration: Array, ends: tuple[int, ...], slots: int) -> tuple[Array, Array]:
    """Which of the `slots` parts of its window iteration number `iteration` begins, if any.

    A rule to keep few states of a window, spread evenly over it, that looks at none of them.

    Parameters
    ----------
    iteration
        Counted from 0.
    ends
        What `window_ends` gave.
    slots
        Into how many parts each window is divided.

    Returns
    -------
    Whether it begins one, 0 or 1, and the number of the part, from 0.

    Examples
    --------
    >>> [slot_due(k, (6, 12), 2) for k in (0, 1, 6, 9, 12)]
    [(1, 0), (0, 0), (1, 0), (1, 1), (0, 0)]
    """
    starts = (0, *ends[:-1])
    length = sum(
        (end - start) * (iteration >= start) * (iteration < end)
        for start, end in zip(starts, ends, strict=False)
    )
    begun = sum(
        (end - start) * (iteration >= end) for start, end in zip(starts, ends, strict=False)
    )
    passed = (iteration - begun) * slots
    divisor = length + (length == 0)
    return (length > 0) * (passed % divisor < slots), (length > 0) * (passed // divisor)
