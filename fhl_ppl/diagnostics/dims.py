"""The user's names of dimensions, before ArviZ trips over them."""

from collections.abc import Mapping, Sequence


def check_dims(dims: Mapping[str, Sequence[str]] | None, ranks: Mapping[str, int]) -> None:
    """Refuse more names than a variable has dimensions, `ranks`, besides chain and draw.

    Raises
    ------
    ValueError
        Naming the variable.

    Examples
    --------
    >>> check_dims({"mu": ["school"]}, {"mu": 0})
    Traceback (most recent call last):
        ...
    ValueError: dims gives 'mu' the 1 names ['school'], ... has 0 dimensions ...; leave out 1.
    """
    for name, names in (dims or {}).items():
        rank = ranks.get(name, len(names))
        if len(names) > rank:
            raise ValueError(
                f"dims gives {name!r} the {len(names)} names {list(names)}, but it has {rank} "
                f"dimensions besides chain and draw; leave out {len(names) - rank}."
            )
