"""When the metric is renewed: windows that double, as in Stan, but from the first iterations on."""

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
