"""A process that does not outlive the test that started it."""

from __future__ import annotations

import subprocess
from types import TracebackType

__all__ = ["Child"]


class Child(subprocess.Popen[str]):
    """
    A process for the length of a block, which waits for its end.

    A block that is left by an exception, which a failed assertion is, kills the process first: otherwise the test
    would wait for the end of what nobody tells to end, and its report be lost.
    """

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, value, traceback)
