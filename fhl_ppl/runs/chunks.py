"""The files of a Zarr array that have draws, and how they are made to last."""

import json
import os
from collections.abc import Iterable
from pathlib import Path


def chunk_files(array: Path, draws: range) -> list[Path]:
    """Where these draws are: the array's chunks are whole along all of its other axes."""
    about = json.loads((array / "zarr.json").read_text())
    axis = about["dimension_names"].index("draw")
    if 0 in about["shape"][axis + 1 :]:
        # Of what has no entries there is no file.
        return []
    shape = about["chunk_grid"]["configuration"]["chunk_shape"]
    numbers = range(draws.start // shape[axis], -(-draws.stop // shape[axis]))
    rest = len(shape) - axis - 1
    return [array.joinpath("c", *"0" * axis, str(number), *"0" * rest) for number in numbers]


def insist(array: Path, draws: range) -> None:
    """Of a file that is not there Zarr makes draws.

    Raises
    ------
    FileNotFoundError
        If there is none for some of these draws.
    """
    for file in chunk_files(array, draws):
        if not file.exists():
            raise FileNotFoundError(f"no {file.relative_to(array.parent)}")


def flush(files: Iterable[Path]) -> None:
    """Have these files, and the folders that they are in, on the disk before anything else."""
    written = list(files)
    for path in dict.fromkeys((*written, *(file.parent for file in written))):
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
