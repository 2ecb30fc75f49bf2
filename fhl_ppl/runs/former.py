"""What a run takes from a former one: where its chains were, and its metric."""

from typing import NamedTuple

import numpy as np

from fhl_ppl.runs.store import Store

Array = np.ndarray

_PLACE, _METRIC = "former/place/", "former/inverse_mass_matrix"


class Former(NamedTuple):
    """Read from the state that a store has.

    Attributes
    ----------
    places
        Unconstrained sites of all chains, [chain, ...] by name.
    inverse_mass_matrix
        [D] or [D, D]; None of a metric of low rank.
    """

    places: dict[str, Array]
    inverse_mass_matrix: Array | None

    @classmethod
    def of(cls, store: Store) -> "Former":
        """Read it.

        Raises
        ------
        ValueError
            If there is none.
        """
        if store.found is None:
            raise ValueError(f"warm_start={str(store.path)!r} has no run in it")
        state = store.state()
        places = {k.removeprefix(_PLACE): x for k, x in state.items() if k.startswith(_PLACE)}
        return cls(places, state.get(_METRIC))

    def saved(self) -> dict[str, Array]:
        """Undo `of`: entries of a state.

        >>> sorted(Former({"mu": np.zeros(4)}, np.ones(1)).saved())
        ['former/inverse_mass_matrix', 'former/place/mu']
        """
        named = {_PLACE + name: places for name, places in self.places.items()}
        metric = self.inverse_mass_matrix
        return named if metric is None else {**named, _METRIC: metric}

    def starts(self, num_chains: int) -> dict[str, Array]:
        """Places of so many chains, [chain, ...] by name; of one chain, [...].

        >>> Former({"mu": np.arange(2.0)}, None).starts(3)["mu"].tolist()
        [0.0, 1.0, 0.0]
        """
        count = len(next(iter(self.places.values())))
        turns = np.arange(num_chains) % count
        each = {name: places[turns] for name, places in self.places.items()}
        return each if num_chains > 1 else {name: x[0] for name, x in each.items()}
