"""One writer at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def locked(path: Any) -> Iterator[None]:
    """Within it no other process has the directory locked; one that is killed has it no longer.

    Nothing is locked where the system has no `fcntl`.

    Raises
    ------
    ValueError
        If another has.
    OSError
        If there can be no such directory.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            error.errno,
            f"the store {str(path)!r} cannot be made ({error.strerror or error}); give a path in a "
            "directory that can be written to",
        ) from error
    number = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"the store {str(path)!r} is being written by another run; wait for it, or give "
                "another path"
            ) from error
        yield
    finally:
        os.close(number)
