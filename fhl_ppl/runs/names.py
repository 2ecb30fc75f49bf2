"""Which names variables of a store may have: those of files, of which none is a coordinate's."""

import re
from collections.abc import Collection

from fhl_ppl.core.statistics import GROUP

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
