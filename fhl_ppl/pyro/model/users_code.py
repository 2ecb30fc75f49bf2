"""What is the user's code; and its errors, which stay the user's, with a line on who called it."""

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path

import pyro
import torch

LIBRARIES = (
    *(str(Path(file).parent) for file in (torch.__file__, pyro.__file__)),
    str(Path(__file__).parents[2]),
    contextlib.__file__,
)
"""Folders and files of code that is not the user's."""


@contextlib.contextmanager
def called_from_us(what: str) -> Iterator[None]:
    """Note on an error that comes out of the user's code where that was, and that we called it.

    Parameters
    ----------
    what
        Whose code is called, such as "the model".
    """
    try:
        yield
    except Exception as error:
        where = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)[1:]
            if not frame.filename.startswith(LIBRARIES)
        ]
        said = getattr(error, "__notes__", ())
        if where and not any(note.startswith("fhl_ppl: ") for note in said):
            error.add_note(
                f"fhl_ppl: raised by {what}, in {where[-1].filename}, line {where[-1].lineno}, "
                "which was called to evaluate one particle"
            )
        raise
