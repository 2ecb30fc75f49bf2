"""Ctrl-C, taken at a moment when everything is in order."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupts:
    """Within it the first Ctrl-C is noted, and the second is an interruption like any other.

    Of threads other than the main one, which are not interrupted, nothing changes.

    Examples
    --------
    >>> import os
    >>> with Interrupts() as interrupts:
    ...     os.kill(os.getpid(), signal.SIGINT)
    ...     interrupts.asked()
    True
    """

    def __init__(self) -> None:
        self._asked = False
        self._before: Any = None

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def asked(self) -> bool:
        """Whether to end."""
        return self._asked

    def check(self) -> None:
        """Raise KeyboardInterrupt if to end."""
        if self._asked:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
