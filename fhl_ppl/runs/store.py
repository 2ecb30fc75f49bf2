"""A run on disk: draws that ArviZ and xarray open at any moment, and all that the rest depends on.

A directory that is a Zarr group, with the groups `posterior` and `sample_stats`, to whose arrays
every block is appended, and beside them a file of NumPy arrays, the state after the block. What
counts is what the group's own `zarr.json` says, which is replaced in one go when all else is
written: the lengths of all arrays (Zarr's consolidated metadata, by which xarray reads), and which
file has the state. All of it is on the disk before that. Of a block that was being
written when the process was killed nothing is seen, and the next to write overwrites it. Nothing in
it is pickled.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from fhl_ppl.diagnostics.annotate import annotate
from fhl_ppl.diagnostics.arviz_lines import datasets, from_arrays
from fhl_ppl.runs.chunks import chunk_files, flush, insist

Array = np.ndarray

FORMAT = 1
"""Of the directory; one of another cannot be read."""

_ENTRY = "fhl_ppl_run"
"""Attribute of the Zarr group that says what is in the directory."""

_FOUND: dict[str, Any] = {
    "identity": dict,
    "gradients": int | float,
    "draws": int,
    "state": str,
    "number": int,
}
"""What the entry has, and of which types."""

_AFTER = "fhl_ppl_draws"
"""Of the state: after how many draws it is."""

_GROUPS = ("posterior", "sample_stats")


class Store:
    """The directory at `path`, which need not be there yet.

    Parameters
    ----------
    path
        Where.

    Attributes
    ----------
    chunk
        Draws of each file: those of a block, so that what is written stays as it is.
    found
        What the last block that was written left: "identity", "gradients" and "draws" among others;
        None before the first.

    Raises
    ------
    ValueError
        If there is something else.
    """

    def __init__(self, path: Any) -> None:
        self.path = Path(path)
        self.chunk = 100
        self._opened: dict[str, dict[str, Any]] = {}
        self.found = self._read_entry()

    def check(self, identity: Mapping[str, Any]) -> None:
        """Insist on a run of the same model, data and settings.

        Raises
        ------
        ValueError
            Naming all that differs.
        """
        assert self.found is not None
        there = self.found["identity"]
        here = json.loads(json.dumps(identity))
        differs = [
            f"{name} was {there.get(name)!r:.200} and is {here.get(name)!r:.200}"
            for name in {**there, **here}
            if there.get(name) != here.get(name)
        ]
        if differs:
            raise ValueError(
                f"the store {str(self.path)!r} is of another run: {'; '.join(differs)}. Go on with "
                "what it was made with, or give another path"
            )

    def state(self) -> dict[str, Array]:
        """Return the state after the last block."""
        assert self.found is not None
        file = self.path / self.found["state"]
        with whole(self.path, file.name), np.load(file, allow_pickle=False) as arrays:
            state = dict(arrays)
            after = int(state.pop(_AFTER))
            if after != self.draws:
                raise ValueError(f"it is that after {after} draws, not after {self.draws}")
        return state

    @contextmanager
    def whole_state(self) -> Iterator[None]:
        """Say that it is damaged where a part of the state is missing."""
        try:
            yield
        except KeyError as error:
            raise ValueError(
                f"the store {str(self.path)!r} is damaged: its state has no {error}"
            ) from error

    def read(self, group: str, every: int = 1) -> dict[str, Array]:
        """Return every so many-th draw of "posterior" or "sample_stats", [chain, draw, ...]."""
        return {name: self.read_one(group, name, every) for name in self.names(group)}

    def names(self, group: str) -> list[str]:
        """Names of all variables of a group."""
        return sorted(self._arrays(group).keys() - {"draw"})

    def read_one(self, group: str, name: str, every: int = 1) -> Array:
        """Return draws of one variable alone."""
        with whole(self.path, f"{group}/{name}"):
            insist(self.path / group / name, range(self.draws))
            return np.asarray(self._arrays(group)[name][:, : self.draws : every])

    def check_draws(self) -> None:
        """Insist on a file for every draw of every variable.

        Raises
        ------
        ValueError
            If one is missing, naming it.
        """
        for group in _GROUPS:
            for name in self._arrays(group):
                with whole(self.path, f"{group}/{name}"):
                    insist(self.path / group / name, range(self.draws))

    @property
    def draws(self) -> int:
        """Draws of each chain that are safe."""
        return 0 if self.found is None else int(self.found["draws"])

    def write(
        self,
        blocks: Mapping[str, Mapping[str, Array]],
        state: Mapping[str, Array],
        about: Mapping[str, Any],
        group: Array,
        settings: Mapping[str, Any],
    ) -> None:
        """Append draws, replace the state, and make both count at once.

        Parameters
        ----------
        blocks
            By group, arrays [chain, draw, ...]; none in warm-up.
        state
            Arrays by name.
        about
            Becomes `found`.
        group, settings
            Of each chain, and what the sampler was: written with the first draws.

        Raises
        ------
        OSError
            If it cannot be written, such as on a disk that is full. What was there before is whole.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            count = _length(blocks)
            if count and self.draws:
                self._append(blocks)
            elif count:
                self._create(blocks, group, settings)
            number = 0 if self.found is None else int(self.found["number"]) + 1
            file = f"state-{number}.npz"
            with _replaced(self.path / file) as part, part.open("wb") as out:
                _save(out, {**state, _AFTER: self.draws + count})
            found = {**about, "number": number, "state": file, "draws": self.draws + count}
            self._flush(range(self.draws, found["draws"]))
            self._commit(found)
        except OSError as error:
            raise OSError(
                error.errno,
                f"the store {str(self.path)!r} cannot be written ({error.strerror or error}); its "
                f"{self.draws} draws of each chain are safe: make room, and run with it again",
            ) from error
        # All counts: what is left of earlier states is no reason to fail.
        for other in self.path.glob("state-*"):
            if other.name != file:
                with suppress(OSError):
                    other.unlink()

    def _create(
        self, blocks: Mapping[str, Mapping[str, Array]], group: Array, settings: Mapping[str, Any]
    ) -> None:
        data = annotate(from_arrays(blocks, None, None, {}), group, settings)
        for name, dataset in datasets(data).items():
            encoding = {
                variable: {"chunks": _chunks(dataset[variable], self.chunk)}
                for variable in (*dataset.data_vars, "draw")
            }
            dataset.to_zarr(
                self.path,
                group=name,
                mode="w",
                consolidated=False,
                encoding=encoding,
                zarr_format=3,
                # Of zeros, too: what is not there is then missing.
                write_empty_chunks=True,
            )

    def _append(self, blocks: Mapping[str, Mapping[str, Array]]) -> None:
        numbers = np.arange(self.draws, self.draws + _length(blocks))
        for group, values in blocks.items():
            for name, array in self._arrays(group).items():
                axis = 0 if name == "draw" else 1
                # What an interrupted write left behind is cut off first.
                if array.shape[axis] != self.draws:
                    array.resize((*array.shape[:axis], self.draws, *array.shape[axis + 1 :]))
                array.append(numbers if name == "draw" else values[name], axis=axis)

    def _flush(self, draws: range) -> None:
        for group in _GROUPS if draws else ():
            for name in self._arrays(group):
                flush(chunk_files(self.path / group / name, draws))

    def _arrays(self, group: str) -> dict[str, Any]:
        """All arrays of a group that have draws, the numbers of the draws among them."""
        if group not in self._opened:
            with whole(self.path, group):
                self._opened[group] = self._open(group)
        return self._opened[group]

    def _open(self, group: str) -> dict[str, Any]:
        import zarr

        members = _metadata_below(self.path / group)
        about = json.loads((self.path / "zarr.json").read_text())
        # While the first draws are written nothing tells of them yet.
        told = about["consolidated_metadata"]["metadata"] if self.draws else {}
        prefix = f"{group}/"
        names = {each.removeprefix(prefix) for each in told if each.startswith(prefix)}
        if names - members.keys():
            raise FileNotFoundError(f"no {sorted(names - members.keys())}")
        with zarr.config.set({"array.write_empty_chunks": True}):
            arrays = {
                name: zarr.open_array(self.path / group / name, mode="r+") for name in members
            }
        return {
            name: array
            for name, array in arrays.items()
            if "draw" in (getattr(array.metadata, "dimension_names", None) or ())
        }

    def _commit(self, found: dict[str, Any]) -> None:
        """Let the group say what there is now; first each group in it, for who opens that alone."""
        metadata: dict[str, Any] = {}
        for group in _GROUPS if found["draws"] else ():
            with whole(self.path, group):
                members = _metadata_below(self.path / group)
                attributes = _attributes(self.path / group)
            _write_group(self.path / group, attributes, members)
            metadata[group] = json.loads((self.path / group / "zarr.json").read_text())
            metadata |= {f"{group}/{name}": each for name, each in members.items()}
        # As text, since netCDF has no attributes with parts.
        _write_group(self.path, {_ENTRY: json.dumps(found)}, metadata)
        self.found = found

    def _read_entry(self) -> dict[str, Any] | None:
        if not self.path.exists():
            return None
        if self.path.is_dir() and all(map(_is_ours, self.path.iterdir())):
            # Empty, or of a process that was killed before the first block counted.
            return None
        try:
            entry = json.loads(_attributes(self.path)[_ENTRY])
            version = entry["format"]
            if version == FORMAT and not all(
                isinstance(entry[name], kind) for name, kind in _FOUND.items()
            ):
                raise TypeError(f"needs {_FOUND}")
            if version == FORMAT and min(entry["draws"], entry["number"]) < 0:
                raise ValueError("counts below 0")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"store={str(self.path)!r} is there and was not made by fhl_ppl.run, or is damaged;"
                " give another path, or remove it"
            ) from error
        if version != FORMAT:
            raise ValueError(
                f"the store {str(self.path)!r} has format {version!r}, and only {FORMAT} can be "
                "read; go on with the fhl_ppl that made it"
            )
        return dict(entry)


@contextmanager
def whole(path: Any, part: str) -> Iterator[None]:
    """Say of the store at `path` that it is damaged where a part of it cannot be read."""
    try:
        yield
    except Exception as error:
        # What is damaged may fail anywhere in what unpacks it.
        raise ValueError(
            f"the store {str(path)!r} is damaged: its {part} cannot be read ({error})"
        ) from error


def _save(out: Any, arrays: Mapping[str, Any]) -> None:
    np.savez(out, **arrays)


def _is_ours(file: Path) -> bool:
    return file.name.startswith("state-") or file.suffix == ".part"


def _chunks(variable: Any, chunk: int) -> tuple[int, ...]:
    return tuple(chunk if dim == "draw" else max(1, n) for dim, n in variable.sizes.items())


def _length(blocks: Mapping[str, Mapping[str, Array]]) -> int:
    return next((x.shape[1] for group in blocks.values() for x in group.values()), 0)


def _attributes(group: Path) -> dict[str, Any]:
    found = json.loads((group / "zarr.json").read_text())["attributes"]
    return dict(found)


def _metadata_below(group: Path) -> dict[str, Any]:
    """Metadata of all arrays of a group, by name."""
    files = sorted(group.glob("*/zarr.json"))
    return {file.parent.name: json.loads(file.read_text()) for file in files}


def _write_group(path: Path, attributes: Mapping[str, Any], members: Mapping[str, Any]) -> None:
    inline = {"kind": "inline", "must_understand": False, "metadata": dict(members)}
    text = json.dumps(
        {
            "zarr_format": 3,
            "node_type": "group",
            "attributes": dict(attributes),
            "consolidated_metadata": inline,
        }
    )
    with _replaced(path / "zarr.json") as part:
        part.write_text(text)


class _replaced:
    """Within it a file is written beside `file`; at the end it is put in its place in one go."""

    def __init__(self, file: Path) -> None:
        self._file, self._part = file, file.with_name(file.name + ".part")

    def __enter__(self) -> Path:
        return self._part

    def __exit__(self, kind: type | None, *rest: Any) -> None:
        if kind is None:
            flush([self._part])
            os.replace(self._part, self._file)
        else:
            self._part.unlink(missing_ok=True)
