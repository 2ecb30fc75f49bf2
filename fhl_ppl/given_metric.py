"""What is given of the metric: which sites form blocks, and the matrix to start from."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def block_structure(
    dense_mass: bool | str | Sequence[str | tuple[str, ...]] | None,
    sites: dict[str, slice],
    dim: int,
) -> np.ndarray | None:
    """Which entries of the metric the blocks in `dense_mass` set free, boolean [dim, dim].

    None where it is no list. `sites` says where each site lies in the flat position.

    Raises
    ------
    ValueError
        If a name is not a latent site, or stands in two blocks.

    Examples
    --------
    >>> block_structure([("a",)], {"a": slice(0, 2), "b": slice(2, 3)}, 3).astype(int)
    array([[1, 1, 0],
           [1, 1, 0],
           [0, 0, 1]])
    """
    if dense_mass is None or isinstance(dense_mass, bool | str) or not dense_mass:
        return None
    structure = np.eye(dim, dtype=bool)
    seen: set[str] = set()
    for block in dense_mass:
        names = (block,) if isinstance(block, str) else tuple(block)
        for name in names:
            if name not in sites:
                raise ValueError(
                    f"dense_mass names {name!r}, which is no latent site; there are "
                    f"{', '.join(map(repr, sites))}."
                )
            if name in seen:
                raise ValueError(f"dense_mass names {name!r} twice; put it in one block.")
            seen.add(name)
        member = np.zeros(dim, dtype=bool)
        for name in names:
            member[sites[name]] = True
        structure |= member[:, None] & member
    return structure


def initial_inverse_mass_matrix(
    given: Any, sites: dict[str, slice], dim: int, dense: bool
) -> np.ndarray:
    """The inverse mass matrix to start from, float64, [dim, dim] if `dense` and else [dim].

    `given` is None (unit scales), an array [dim] or [dim, dim], or a dict from tuples of site names
    to blocks of either form; `sites` says where each site lies in the flat position.

    Raises
    ------
    ValueError
        If the shape does not fit, a block names an unknown site, or it is not positive definite.
    """
    if given is None:
        given = np.ones(dim)
    matrix: np.ndarray
    if isinstance(given, dict):
        matrix = np.eye(dim)
        seen: set[str] = set()
        for block, values in given.items():
            names = (block,) if isinstance(block, str) else block
            if not (isinstance(names, tuple) and names and seen.isdisjoint(names)):
                raise ValueError(
                    "inverse_mass_matrix must be a dict from tuples of site names to blocks, each "
                    f"site in one of them, got the key {block!r}."
                )
            seen.update(names)
            unknown = [name for name in names if name not in sites]
            if unknown:
                raise ValueError(
                    f"inverse_mass_matrix names {unknown[0]!r}, which is no latent site; there "
                    f"are {', '.join(map(repr, sites))}."
                )
            index = np.concatenate([np.arange(dim)[sites[name]] for name in names])
            part = _shaped(values, len(index), f"the block {names}")
            matrix[np.ix_(index, index)] = np.diag(part) if part.ndim == 1 else part
    else:
        matrix = _shaped(given, dim, "the latent sites together")
    if matrix.ndim == 2 and not dense:
        if np.any(matrix != np.diag(np.diag(matrix))):
            raise ValueError(
                "inverse_mass_matrix has off-diagonal entries but the metric is diagonal, or of "
                "low rank, which starts as one; set dense_mass=True, or give the diagonal alone."
            )
        matrix = np.diag(matrix).copy()
    smallest = np.min(matrix if matrix.ndim == 1 else np.linalg.eigvalsh(matrix), initial=np.inf)
    if not smallest > 0:
        raise ValueError(
            "inverse_mass_matrix must be positive definite; its smallest eigenvalue is "
            f"{smallest:.3g}."
        )
    return np.diag(matrix) if matrix.ndim == 1 and dense else matrix


def _shaped(values: Any, dim: int, what: str) -> np.ndarray:
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "iuf":
            raise TypeError
        array = array.astype(float)
    except (TypeError, ValueError):
        raise TypeError(f"inverse_mass_matrix must hold numbers, got {values!r}.") from None
    if array.shape not in ((dim,), (dim, dim)):
        raise ValueError(
            f"inverse_mass_matrix has shape {array.shape} for {what}; "
            f"({dim},) or ({dim}, {dim}) is needed."
        )
    if not np.all(np.isfinite(array)) or (array != array.T).any():
        raise ValueError("inverse_mass_matrix must be finite and symmetric.")
    return array
