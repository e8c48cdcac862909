"""When each of many masters is due: deadlines by name, with the first of them at hand."""

from __future__ import annotations

from heapq import heappop, heappush, heapreplace

__all__ = ["Schedule"]


class Schedule:
    """
    Deadlines by name, in monotonic seconds.

    No call searches all names: thousands of masters may wait for something at once, each for a moment of its own.
    """

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._places: dict[str, int] = {}
        """In which order names came; those that are due together are returned in this order."""
        self._numbered = 0
        self._heap: list[tuple[float, str]] = []
        """Moments at which names are looked at, the first of them at the front."""
        self._queued: dict[str, float] = {}
        """The moment in `_heap` that counts for each name: never later than its deadline. Others are left over."""
        self.first: float | None = None
        """
        Never later than the earliest deadline; None if none was set.

        It may be earlier, since a deadline that is removed or moved back leaves it. A tick that comes early does no
        harm. `refresh` makes it exact.
        """

    def set(self, name: str, due: float | None) -> None:
        """Set or replace the deadline of a name; None if it waits for nothing."""
        if due is None:
            if self._due.pop(name, None) is not None:
                del self._places[name]
            return
        if name not in self._due:
            self._numbered += 1
            self._places[name] = self._numbered
        self._due[name] = due
        queued = self._queued.get(name)
        if queued is None or due < queued:
            self._queue(name, due)
            self.first = due if self.first is None else min(self.first, due)

    def _queue(self, name: str, due: float) -> None:
        self._queued[name] = due
        heappush(self._heap, (due, name))

    def due(self, now: float) -> list[str]:
        """Return the names whose deadline has come. The caller sets each of them again, before the next call."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            moment, name = heappop(self._heap)
            if self._queued.get(name) != moment:
                continue
            del self._queued[name]
            due = self._due.get(name)
            if due is not None and due <= now:
                found.append(name)
            elif due is not None:
                self._queue(name, due)
        return sorted(found, key=self._places.__getitem__)

    def refresh(self) -> None:
        """Make `first` exact."""
        heap = self._heap
        while heap:
            moment, name = heap[0]
            due = self._due.get(name)
            if self._queued.get(name) != moment:
                heappop(heap)
            elif due is None:
                heappop(heap)
                del self._queued[name]
            elif due > moment:
                self._queued[name] = due
                heapreplace(heap, (due, name))
            else:
                break
        self.first = heap[0][0] if heap else None
