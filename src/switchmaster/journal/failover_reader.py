"""
What is asked about failovers, whichever library asks the database: pages of them, one with its comments, ids.

`sqlite_reader` and `reader` say how the questions of `failover_queries` reach a database.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..errors import UsageError
from ..line import Line, iso
from .failover_queries import (
    FailoverFilter,
    Query,
    comments_on,
    ids_beginning,
    one_failover,
    page_of_failovers,
    switches_of,
)
from .stored_names import plain

__all__ = ["PAGE_ITEMS", "FailoverReader", "Page", "cursor_after", "page_rows", "read_cursor"]

PAGE_ITEMS: Final = 1_000
"""Items on one page, at most."""
NO_CURSOR: Final = "not a cursor of this list: use the `next` of the page before"


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list, newest first."""

    items: list[Line]
    next: str | None
    """The cursor of the next page; None on the last one."""


class FailoverReader(ABC):
    """Questions about the failovers of one journal. All methods block."""

    @abstractmethod
    def _ask(self, *queries: Query) -> list[Sequence[Sequence[Any]]]:
        """
        Return the rows of each question, all of one state of the journal.

        Raises:
            JournalUnavailable: the database can't be read.
        """

    @abstractmethod
    def close(self) -> None:
        """Close all connections."""

    def failovers(self, wanted: FailoverFilter, cursor: str | None = None, limit: int = 50) -> Page:
        """
        Return failovers, newest first.

        Args:
            wanted: which ones.
            cursor: `Page.next` of the page before; None for the first.
            limit: items, at most 1,000.

        Raises:
            UsageError: the cursor is not valid.
            JournalUnavailable: the database can't be read.
        """
        most = page_rows(limit)
        [rows] = self._ask(page_of_failovers(wanted, None if cursor is None else read_cursor(cursor), most))
        more = None
        if len(rows) == most:
            id, started, *_ = rows[limit - 1]
            more = cursor_after(started, id)
        return Page([_line_of(row) for row in rows[:limit]], more)

    def failover(self, id: str) -> Line | None:
        """
        Return one failover with its comments, or None.

        Raises:
            JournalUnavailable: the database can't be read.
        """
        rows, said = self._ask(one_failover(id), comments_on(id))
        if not rows:
            return None
        return _line_of(rows[0]) | {
            "comments": [
                {"time": iso(time), "by": plain(by), "text": plain(text), "acknowledges": bool(acknowledges)}
                for time, by, acknowledges, text in said
            ]
        }

    def ids(self, beginning: str, limit: int) -> list[str]:
        """
        Return the ids of failovers that begin with a text, in order.

        Args:
            beginning: the text; upper and lower case matter.
            limit: ids, at most.

        Raises:
            JournalUnavailable: the database can't be read.
        """
        [rows] = self._ask(ids_beginning(beginning, limit))
        return [id for (id,) in rows if id.startswith(beginning)]

    def switches_of(self, failover: str) -> list[Line]:
        """
        Return the switches that a failover led to, oldest first and at most 1,000; each names its ``run``.

        Raises:
            JournalUnavailable: the database can't be read.
        """
        [rows] = self._ask(switches_of(failover, PAGE_ITEMS))
        return [json.loads(line) | {"run": run} for run, line in rows]


def _line_of(row: Sequence[Any]) -> Line:
    _, _, acknowledged, text = row
    line: Line = json.loads(text)
    line["acknowledged"] = iso(acknowledged)
    return line


def page_rows(limit: int) -> int:
    """
    Return how many rows to read for a page: one more than its items, to learn whether another follows.

    Raises:
        UsageError: a page can't have so many items.
    """
    if not 1 <= limit <= PAGE_ITEMS:
        raise UsageError(f"a page must have 1 to {PAGE_ITEMS} items")
    return limit + 1


def cursor_after(moment: float, id: object) -> str:
    """Return the cursor of the page after an item, by what orders the list."""
    place = f"{float(moment).hex()}~{id}"
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[float, str]:
    """
    Return the moment and the id of the item before a page.

    Raises:
        UsageError: it is no cursor.
    """
    try:
        place = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        moment, tilde, id = place.partition("~")
        time = float.fromhex(moment)
        if not tilde or not id or not math.isfinite(time):
            raise ValueError
        return time, id
    except (ValueError, OverflowError, binascii.Error):
        raise UsageError(NO_CURSOR) from None
