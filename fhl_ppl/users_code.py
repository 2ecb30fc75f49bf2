"""Errors of the user's code stay the user's, with a line that says what called it."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def called_from_us(what: str, libraries: tuple[str, ...]) -> Iterator[None]:
    """Note on an error that comes out of the user's code where that was, and that we called it.

    Parameters
    ----------
    what
        Whose code is called, such as "the model".
    libraries
        Folders and files of code that is not the user's.
    """
    try:
        yield
    except Exception as error:
        where = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)[1:]
            if not frame.filename.startswith(libraries)
        ]
        said = getattr(error, "__notes__", ())
        if where and not any(note.startswith("fhl_ppl: ") for note in said):
            error.add_note(
                f"fhl_ppl: raised by {what}, in {where[-1].filename}, line {where[-1].lineno}, "
                "which was called to evaluate one particle"
            )
        raise
