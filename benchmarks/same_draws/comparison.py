"""What differs between two recordings: arrays [iteration, ...] by name."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

Recording = Mapping[str, np.ndarray]


def read(directory: Path) -> dict[str, Recording | str]:
    """Recordings by setting; of those that failed, why."""
    found: dict[str, Recording | str] = {}
    for path in directory.iterdir():
        if path.suffix == ".npz":
            with np.load(path) as stored:
                found[path.stem] = dict(stored)
        else:
            found[path.stem] = f"failed: {path.read_text()}"
    return found


def compare(old: Recording | str | None, new: Recording | str | None) -> str:
    """Return "identical", or what differs, first and most."""
    for side, recording in (("old", old), ("new", new)):
        if recording is None:
            return f"not in {side}"
        if isinstance(recording, str):
            return f"{side} {recording}"
    assert isinstance(old, Mapping)
    assert isinstance(new, Mapping)
    said = []
    shared = [name for name in old if name in new]
    for name in shared:
        a, b = old[name], new[name]
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            said.append(f"{name} was {a.dtype}{list(a.shape)}, is {b.dtype}{list(b.shape)}")
    off = {
        name: difference(old[name], new[name])
        for name in shared
        if old[name].shape == new[name].shape
    }
    off = {name: by for name, by in off.items() if by.any()}
    if off:
        first = min(off, key=lambda name: _first(off[name]))
        most = max(off, key=lambda name: off[name].max())
        said.append(
            f"first in iteration {_first(off[first])}: {first} by {_at_first(off[first]):.1e}; "
            f"most: {most} by {off[most].max():.1e}; in {len(off)} of {len(shared)} arrays"
        )
    for side, names in (("old", old.keys() - new.keys()), ("new", new.keys() - old.keys())):
        if names:
            said.append(f"only in {side}: {', '.join(sorted(names))}")
    return "; ".join(said) or "identical"


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Size of the difference, inf where only one is a number: 0 is for the same bits or NaN."""
    if a.dtype.kind != "f":
        return (a != b).astype(float)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        size = np.abs(a.astype(float) - b.astype(float))
    return np.where(same, 0.0, np.where(np.isfinite(size), size, np.inf))


def _first(off: np.ndarray) -> int:
    """The first iteration in which something differs."""
    return int(np.argmax(off.reshape(len(np.atleast_1d(off)), -1).any(axis=1)))


def _at_first(off: np.ndarray) -> float:
    return float(np.atleast_1d(off)[_first(off)].max())
