"""
The options that say where the journal is, and which part of it is meant; the same for every verb that reads it.

Enters: what click parsed, the environment, the file of ``--config``. Leaves: a `Reader`, or times.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError

if TYPE_CHECKING:
    from ..journal.reader import Reader

__all__ = ["journal_options", "no_such", "opened"]


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
def opened(config: str | None, journal: str | None) -> Iterator[Reader]:
    """
    Open the journal that is meant.

    Raises:
        UsageError: the file or the URL is wrong.
    """
    from ..journal.reader import open_reader
    from ..server.config import journal_url

    reader = open_reader(journal_url(None if config is None else Path(os.path.expanduser(config)), journal, os.environ))
    try:
        yield reader
    finally:
        reader.close()


def no_such(id: str) -> UsageError:
    """Return the sentence for an id that the journal does not have."""
    return UsageError(f"the journal has no failover {id!r}; `switchmaster history` lists those that it has")
