"""
The options that select the journal and a failover in it, the same for every verb that reads the journal.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ..errors import UsageError

if TYPE_CHECKING:
    from ..journal.reader import Reader

__all__ = ["journal_options", "open_journal", "resolve_id", "unknown_failover"]

LAST: Final = "last"
MATCHES_READ: Final = 6
"""Ids that are looked up for one prefix; one fewer is shown."""


def journal_options(function: Any) -> Any:
    """Add the options that select the journal."""
    options: tuple[Callable[[Any], Any], ...] = (
        click.option("--config", metavar="FILE", envvar="SWITCHMASTER_CONFIG", help="The daemon's TOML file."),
        click.option("--journal", metavar="URL", help="URL of the journal, instead of the one in the file."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@contextmanager
def open_journal(config: str | None, journal: str | None) -> Iterator[Reader]:
    """
    Open the selected journal.

    Raises:
        UsageError: the file or the URL is wrong.
    """
    from ..journal.reader import open_reader
    from ..server.settings.configuration import journal_url

    reader = open_reader(journal_url(None if config is None else Path(os.path.expanduser(config)), journal, os.environ))
    try:
        yield reader
    finally:
        reader.close()


def resolve_id(reader: Reader, given: str) -> str:
    """
    Return the full id of a failover.

    Args:
        reader: the journal.
        given: an id, the beginning of one, or ``last`` for the newest failover.

    Raises:
        UsageError: no failover matches, or several do.
    """
    from ..journal.reader import FailoverFilter

    if given == LAST:
        newest = reader.failovers(FailoverFilter(), limit=1).items
        if not newest:
            raise UsageError("the journal has no failover yet")
        return str(newest[0]["id"])
    found = reader.ids(given, MATCHES_READ)
    if given in found:
        return given
    if len(found) > 1:
        shown = ", ".join(found[: MATCHES_READ - 1]) + (" and more" if len(found) == MATCHES_READ else "")
        raise UsageError(f"several failovers have an id that begins with {given!r}: {shown}. Give more of it")
    if not found:
        raise unknown_failover(given)
    return found[0]


def unknown_failover(id: str) -> UsageError:
    """Return the error for an id that is not in the journal."""
    return UsageError(f"the journal has no failover {id!r}; `switchmaster history` lists them")
