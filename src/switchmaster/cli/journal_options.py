"""
The options that select the journal and a failover in it, the same for every verb that reads the journal.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ..errors import UsageError

if TYPE_CHECKING:
    from ..journal.failover_reader import FailoverReader
    from ..journal.reader import Reader
    from ..planned.progress import Conclusion

__all__ = ["acknowledge_planned", "journal_options", "open_failovers", "open_journal", "resolve_id", "unknown_failover"]

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

    with closing(open_reader(_url(config, journal))) as reader:
        yield reader


@contextmanager
def open_failovers(config: str | None, journal: str | None) -> Iterator[FailoverReader]:
    """
    Open the selected journal for questions about failovers: fast if it is in SQLite, since no SQLAlchemy is imported.

    Raises:
        UsageError: the file or the URL is wrong.
    """
    from ..journal.sqlite_reader import SqliteReader, plain_sqlite_file

    url = _url(config, journal)
    file = plain_sqlite_file(url)
    if file is not None:
        with closing(SqliteReader(url, file)) as own:
            yield own
        return
    from ..journal.reader import open_reader

    with closing(open_reader(url)) as reader:
        yield reader


def _url(config: str | None, journal: str | None) -> str:
    from ..server.settings.journal_place import journal_url

    return journal_url(None if config is None else Path(os.path.expanduser(config)), journal, os.environ)


def resolve_id(reader: FailoverReader, given: str) -> str:
    """
    Return the full id of a failover.

    Args:
        reader: the journal.
        given: an id, the beginning of one, or ``last`` for the newest failover.

    Raises:
        UsageError: no failover matches, or several do.
    """
    from ..journal.failover_queries import FailoverFilter

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


def acknowledge_planned(
    config: str | None, journal: str | None, conclusion: Conclusion, deployment: str, by: str
) -> bool:
    """
    Acknowledge a planned failover in the journal, as soon as a daemon has recorded it there.

    Args:
        config: the daemon's file; None for none.
        journal: the URL of its journal; None for that of the file.
        conclusion: of the failover.
        deployment: its name.
        by: who ordered it.

    Returns:
        False if no daemon has recorded it in time; True too if the file names no journal.

    Raises:
        UsageError: the file or the URL is wrong.
        JournalUnavailable: the journal can't be used.
    """
    from ..journal.recorded import acknowledge_when_recorded
    from ..server.settings.file import read_file

    if journal is None and (config is None or read_file(Path(os.path.expanduser(config))).tables.journal.url is None):
        return True
    with open_journal(config, journal) as reader:
        return acknowledge_when_recorded(reader, deployment, conclusion.plan.request.master, conclusion.epoch, by)
