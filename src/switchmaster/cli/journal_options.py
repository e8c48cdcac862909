"""
The options that say where the journal is, and which part of it is meant; the same for every verb that reads it.

Enters: what click parsed, the environment, the file of ``--config``. Leaves: a `Reader`, or times.
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
"""Ids that are looked up for one beginning; one less are shown."""


def journal_options(function: Any) -> Any:
    """Add the options that say where the journal is."""
    options: tuple[Callable[[Any], Any], ...] = (
        click.option("--config", metavar="FILE", envvar="SWITCHMASTER_CONFIG", help="The daemon's TOML file."),
        click.option("--journal", metavar="URL", help="Where the journal is, instead of what the file says."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@contextmanager
def open_journal(config: str | None, journal: str | None) -> Iterator[Reader]:
    """
    Open the journal that is meant.

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
    Return the id of the failover that is meant.

    Args:
        reader: the journal.
        given: an id, the beginning of one, or ``last`` for the newest failover.

    Raises:
        UsageError: none is meant, or several.
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
        raise UsageError(f"several failovers have an id that begins with {given!r}: {shown}; write more of it")
    if not found:
        raise unknown_failover(given)
    return found[0]


def unknown_failover(id: str) -> UsageError:
    """Return the sentence for an id that the journal does not have."""
    return UsageError(f"the journal has no failover {id!r}; `switchmaster history` lists those that it has")
