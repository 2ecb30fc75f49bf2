"""Several processes that run the same program, each of which has the draws of its own chains."""

from typing import Any

import numpy as np

Array = np.ndarray

REASONS = ("", "draws", "gradients", "seconds", "target", "callback", "interrupt")
"""Of `Status.stopped`."""


class Alone:
    """One process, which has all chains; where there are several, an adapter has its own class.

    All processes have to call `gathered` and `agreed` as often, or those that do wait for ever.
    """

    def identity(self) -> dict[str, str]:
        """What a store of the chains here has of this process."""
        return {}

    def own(self, array: Any) -> Array:
        """Rows of the chains here, [chain, ...], of an array of the backend."""
        return np.asarray(array)

    def gathered(self, rows: Array) -> Array:
        """Rows of all chains, of those here, [chain, ...]."""
        return rows

    def agreed(self, stopped: str) -> str:
        """Why any process stops, if one does: then all have to."""
        return stopped


ALONE = Alone()
