"""
^C, taken where it harms nothing.

Python raises KeyboardInterrupt between any two steps of the main thread: also where a lock was just taken and nobody is
charged with its release yet. The Watcher's thread would then wait for that lock for ever, and we for the thread. While
an `Interrupt` is entered, ^C is only noted, and raised by `check` or at the end; but where we write to whoever reads
our output, who may be stuck, it is raised at once, and so is a second one.
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
    """Takes SIGINT for a block; in a thread other than the main one, or where SIGINT is ignored, it does nothing."""

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
        Take the ^C that came.

        Raises:
            KeyboardInterrupt: one came since the block was entered.
        """
        if self._came:
            raise KeyboardInterrupt

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Have ^C raised at once for the length of a block, which takes no lock of another thread's."""
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
