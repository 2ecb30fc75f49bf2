"""Numbers that a model took of a particle, at which a batch was seen to be right.

``float(x)`` and its like make an exact number of a tensor, and Python does not tell what becomes of
a number. Mostly it is printed, kept, or compared with a bound. So a batch goes on with that of its
first particle, and is trusted at a number of another once it agreed with the plain function at one
like it: of the same bin of a grid, and within the range of all that agreed.
"""

import torch
from torch import Tensor

MOST_NUMBERS = 64
"""More of them are no log but an algorithm, and better left to the loop."""

AUDIT_EVERY = 64
"""So many calls after the last one, one particle is compared whatever its numbers: a band narrower
than a bin would not be seen otherwise. A particle costs about three to ten batches."""

_PER_UNIT, _FARTHEST = 8, 128


class Agreed:
    """Where batches agreed, from those at which one is first compared.

    Parameters
    ----------
    numbers : Tensor [particle, number]
        They set the grid: bins are an eighth of half their range wide, and wider in proportion
        far from it.

    Examples
    --------
    >>> agreed = Agreed(torch.tensor([[0.0], [1.0], [2.0]]))
    >>> agreed.known(torch.tensor([[1.05], [0.5], [-1.0], [torch.nan]])).tolist()
    [True, False, False, False]
    >>> agreed.learn(torch.tensor([[0.5], [-1.0], [torch.nan]]))
    >>> agreed.known(torch.tensor([[0.5], [-1.0], [-1.1]])).tolist()
    [True, True, False]
    """

    def __init__(self, numbers: Tensor) -> None:
        numbers = _finite(numbers)
        # Of none the grid is anything, as nothing is known.
        low, high = _range(numbers if len(numbers) else numbers.new_zeros((1, numbers.shape[1])))
        self._middle = (low + high) / 2
        half = (high - low) / 2
        self._half = torch.where(half > 0, half, torch.ones_like(half))
        self._low, self._high = low, high
        self._bins = numbers.new_zeros((2 * _FARTHEST + 1, numbers.shape[1]), dtype=torch.bool)
        self._calls = 0
        self.learn(numbers)

    def learn(self, numbers: Tensor) -> None:
        """Trust these too, unless they are infinite or none."""
        numbers = _finite(numbers)
        if len(numbers):
            self._bins.scatter_(0, self._bin(numbers), True)
            low, high = _range(numbers)
            self._low = torch.minimum(self._low, low)
            self._high = torch.maximum(self._high, high)

    def known(self, numbers: Tensor) -> Tensor:
        """Tell of each particle whether all of its numbers are like some that agreed."""
        within = (numbers >= self._low) & (numbers <= self._high)
        return (within & self._bins.gather(0, self._bin(numbers))).all(1)

    def audited(self, count: int) -> Tensor:
        """Tell which of so many particles to compare in this call, known or not."""
        self._calls += 1
        chosen = torch.zeros(count, dtype=torch.bool, device=self._low.device)
        if self._calls % AUDIT_EVERY == 0:
            chosen[self._calls // AUDIT_EVERY % count] = True
        return chosen

    def _bin(self, numbers: Tensor) -> Tensor:
        place = torch.asinh((numbers - self._middle) / self._half) * _PER_UNIT
        bound = float(_FARTHEST)
        place = torch.nan_to_num(place, bound, bound, -bound).clamp(-bound, bound)
        return place.floor().long() + _FARTHEST


def _finite(numbers: Tensor) -> Tensor:
    return numbers[torch.isfinite(numbers).all(1)]


def _range(numbers: Tensor) -> tuple[Tensor, Tensor]:
    return numbers.amin(0), numbers.amax(0)
