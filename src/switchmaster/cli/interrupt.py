"""
^C, raised only where it does no harm.

Python raises KeyboardInterrupt between any two steps of the main thread, even where a lock was just taken and nothing
will release it. The Watcher's thread would then wait for that lock forever, and we for the thread. Inside an
`Interrupt`, ^C is only recorded, and raised by `check` or at the end of the block. It is raised at once while we write
to a reader of our output that may be stuck, and so is a second ^C.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interrupt"]


class Interrupt:
    """Handles SIGINT for a block; outside the main thread, or if SIGINT is ignored, it does nothing."""

    def __init__(self) -> None:
        self._came = self._writing = False
        self._before: Any = None

    def __enter__(self) -> Self:
        self._came = False
        takes = threading.current_thread() is threading.main_thread()
        if takes and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._take)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None
        if exc_type is None:
            self.check()

    def check(self) -> None:
        """
        Raise a recorded ^C.

        Raises:
            KeyboardInterrupt: ^C was pressed since the block was entered.
        """
        if self._came:
            raise KeyboardInterrupt

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Raise ^C at once for the length of a block that takes no lock shared with another thread."""
        self._writing = True
        try:
            self.check()
            yield
        finally:
            self._writing = False

    def _take(self, number: int, frame: FrameType | None) -> None:
        again, self._came = self._came, True
        if self._writing or again:
            raise KeyboardInterrupt
