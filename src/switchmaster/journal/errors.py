"""The journal's own error."""

from __future__ import annotations

from ..errors import SwitchmasterError

__all__ = ["JournalUnavailable"]


class JournalUnavailable(SwitchmasterError):
    """
    The database can't be asked now.

    Args:
        where: its URL, without a password.
        reason: what the database or its driver said.
        advice: what to do next.
    """

    def __init__(self, where: str, reason: str, advice: str = "") -> None:
        super().__init__(where, reason, advice)
        self.where = where
        self.reason = reason
        self.advice = advice

    def __str__(self) -> str:
        tail = f"; {self.advice}" if self.advice else ""
        return f"the journal {self.where} can't be used: {self.reason}{tail}"
