"""What is kept of every iteration of the sampling phase, and handed out by `diagnostics()`."""

from typing import Any

import numpy as np
from array_api_compat import device

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.statistics import GROUP, STATISTICS
from fhl_ppl.pyro.run.arrays import on_host
from fhl_ppl.pyro.run.engine import Iteration

Array = Any

_NUMBERS = {each.name: each.dtype for each in STATISTICS if each.per == "iteration"}
"""Statistics that are one number for all particles, with their types."""


class Rows:
    """Rows of one shape and dtype, one beneath another, in an array that doubles when it is full.

    Examples
    --------
    >>> rows = Rows(room=1)
    >>> for k in range(3):
    ...     rows.add(np.full(2, k))
    >>> rows.all().tolist()
    [[0, 0], [1, 1], [2, 2]]
    """

    def __init__(self, room: int) -> None:
        self._room = max(1, room)
        self._array: Array = None
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, row: Array) -> None:
        """Copy `row` below the last one."""
        if self._array is None:
            self._array = self._empty(self._room, row)
        elif self._count == len(self._array):
            longer = self._empty(2 * self._count, row)
            longer[: self._count] = self._array
            self._array = longer
        self._array[self._count] = row
        self._count += 1

    def all(self) -> Array:
        """Return a view of all rows, [row, ...]; None if there never was one."""
        return None if self._array is None else self._array[: self._count]

    @staticmethod
    def _empty(count: int, like: Array) -> Array:
        xp = array_namespace(like)
        return xp.empty((count, *like.shape), dtype=like.dtype, device=device(like))


def _as_number(name: str, value: Any) -> np.ndarray:
    # Plain numbers, as a rule: the host counts the steps.
    return np.asarray(on_host(value), dtype=_NUMBERS[name] or float)


class Record:
    """Statistics of every draw of the first `num_reported` particles.

    Nothing is moved to the host before it is asked for. `group` [N] is the group of each particle;
    there is `room` for so many draws at the start.
    """

    def __init__(self, group: Array, num_reported: int, room: int) -> None:
        self._group = group[:num_reported]
        self._num_reported = num_reported
        self._room = room
        self._rows: dict[str, Rows] = {}
        self._accepted: Array = 0
        self._drawn = 0
        self._earlier: dict[str, np.ndarray] = {}
        self._count = 0
        self._keeps = True

    def add(self, iteration: Iteration) -> None:
        """Keep the statistics of `iteration`."""
        self._accepted = self._accepted + iteration.accepted[: self._num_reported]
        self._drawn += 1
        if not self._keeps:
            return
        for name, value in iteration.statistics.items():
            row = value[: self._num_reported] if name not in _NUMBERS else _as_number(name, value)
            if name not in self._rows:
                self._rows[name] = Rows(self._room)
            self._rows[name].add(row)
        self._count += 1

    def forget(self) -> None:
        """Keep nothing of a draw any more but whether it was accepted."""
        self._keeps = False

    def statistics(self) -> dict[str, np.ndarray]:
        """Return the statistics of the reported particles by name, each [particle, draw]."""
        parts = [part for part in (self._earlier, self._present()) if part]
        if len(parts) < 2:
            return parts[0] if parts else {}
        return {name: np.concatenate([x[name] for x in parts], axis=1) for name in parts[0]}

    def take(self) -> dict[str, np.ndarray]:
        """Return the statistics since this was last called, and keep them no longer."""
        taken = self._present()
        self._room, self._rows, self._count = self._count, {}, 0
        return taken

    def put_back(self, statistics: dict[str, np.ndarray]) -> None:
        """Have `statistics` return these, which were taken, before those since then."""
        self._earlier = statistics

    @property
    def tally(self) -> tuple[np.ndarray, int]:
        """How many proposals each particle accepted, of how many."""
        return np.broadcast_to(on_host(self._accepted), (self._num_reported,)), self._drawn

    @tally.setter
    def tally(self, value: tuple[Array, int]) -> None:
        self._accepted, self._drawn = value

    def _present(self) -> dict[str, np.ndarray]:
        if not self._count:
            return {}
        # Of an iteration that was interrupted there may be a part.
        columns = {name: on_host(rows.all())[: self._count] for name, rows in self._rows.items()}
        columns[GROUP] = np.broadcast_to(on_host(self._group), (self._count, self._num_reported))
        return {
            name: np.array(
                np.swapaxes(column, 0, 1) if column.ndim > 1 else [column] * self._num_reported
            )
            for name, column in columns.items()
        }

    def acceptance_rate(self) -> np.ndarray:
        """Return the share of accepted proposals, for each reported particle."""
        if not self._drawn:
            return np.full(self._num_reported, np.nan)
        return on_host(self._accepted) / self._drawn
