"""When each of many masters is due: deadlines by name, with the first of them at hand."""

from __future__ import annotations

__all__ = ["Schedule"]


class Schedule:
    """Deadlines by name, in monotonic seconds."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self.first: float | None = None
        """
        Never later than the earliest deadline; None if none was set.

        It may be earlier, since a deadline that is removed or moved back leaves it. A tick that comes early does no
        harm, while a search among 10,000 masters at each event would. `refresh` makes it exact.
        """

    def set(self, name: str, due: float | None) -> None:
        """Set or replace the deadline of a name; None if it waits for nothing."""
        if due is None:
            self._due.pop(name, None)
        else:
            self._due[name] = due
            self.first = due if self.first is None else min(self.first, due)

    def due(self, now: float) -> list[str]:
        """Return the names whose deadline has come."""
        return [name for name, due in self._due.items() if now >= due]

    def refresh(self) -> None:
        """Make `first` exact."""
        self.first = min(self._due.values(), default=None)
