"""Names of the variables of a store: those of ArviZ, and of sites those that files can have."""

import re
from collections.abc import Collection, Mapping

import numpy as np

from fhl_ppl.core.statistics import ARVIZ_NAMES, GROUP, MEANINGS

Array = np.ndarray

_COORDINATES = ("chain", "draw", GROUP)
_DIMENSION = re.compile(r"(.+)_dim_\d+")


def insist_on_names(sites: Collection[str]) -> None:
    """Insist that draws of all sites can be in a store.

    Raises
    ------
    ValueError
        Naming the site that cannot.

    >>> insist_on_names(["mu", "x.y"])
    >>> insist_on_names(["a/b"])
    Traceback (most recent call last):
        ...
    ValueError: draws of the site 'a/b' cannot be in a store, where "/" parts groups; give it ...
    """
    for name in sites:
        dimension = _DIMENSION.fullmatch(name)
        if "/" in name:
            why = 'where "/" parts groups'
        elif name in _COORDINATES:
            why = "where that is a coordinate of all draws"
        elif dimension and dimension[1] in sites:
            why = f"where that is a coordinate of {dimension[1]!r}"
        elif name in {"", ".", "..", "zarr.json"} or name.startswith("__"):
            why = "where that is no name of an array"
        else:
            continue
        raise ValueError(
            f"draws of the site {name!r} cannot be in a store, {why}; give it another name (of "
            "NumPyro's scope, another divider)"
        )


def to_arviz_names(statistics: Mapping[str, Array]) -> dict[str, Array]:
    """Rename what is reported of draws as ArviZ has it; the groups become a coordinate."""
    return {
        ARVIZ_NAMES.get(name, name): -values if name == "potential_energy" else values
        for name, values in statistics.items()
        if name != GROUP
    }


def from_arviz_names(statistics: Mapping[str, Array], group: Array) -> dict[str, Array]:
    """Undo `to_arviz_names`.

    >>> kept = {"potential_energy": np.ones((2, 1)), "group": np.array([[0], [1]])}
    >>> back = from_arviz_names(to_arviz_names(kept), np.array([0, 1]))
    >>> {name: values.tolist() for name, values in back.items()}
    {'potential_energy': [[1.0], [1.0]], 'group': [[0], [1]]}
    """
    ours = {theirs: name for name, theirs in ARVIZ_NAMES.items()}
    found = {
        ours.get(name, name): -values if name == "lp" else values
        for name, values in statistics.items()
    }
    shape = next(iter(found.values())).shape[:2]
    # In the order of a run, where the groups come last.
    found = {name: found[name] for name in MEANINGS if name in found} | found
    return found | {GROUP: np.broadcast_to(group[:, None], shape).copy()}
