"""One line of a terminal that says how a run stands."""

import sys
from typing import TextIO


class Line:
    """Written over again and again; silent where there is no terminal.

    Parameters
    ----------
    wanted
        Whether to write; None is wherever there is a terminal.
    out
        Where to.

    Examples
    --------
    >>> line = Line(True, sys.stdout)
    >>> line.show("draws 100")
    <BLANKLINE>
    draws 100
    >>> Line(None, sys.stdout).show("nobody is there to read this")
    """

    def __init__(self, wanted: bool | None = None, out: TextIO | None = None) -> None:
        self._out = sys.stderr if out is None else out
        self._wanted = self._out.isatty() if wanted is None else wanted
        self._width = 0

    def show(self, text: str) -> None:
        """Replace what the line says."""
        if self._wanted:
            # What was there and is longer is written over with blanks.
            self._out.write("\r" + text.ljust(self._width))
            self._out.flush()
            self._width = len(text)

    def close(self) -> None:
        """End the line."""
        if self._wanted and self._width:
            self._out.write("\n")
            self._width = 0
