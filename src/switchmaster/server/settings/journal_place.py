"""
Where the journal is, for the verbs that only read it: by a flag, the environment, the file, or the default.

It reads of the file no more than ``[journal]``, and not with the libraries that check a whole configuration: those take
longer to import than a question takes. What is not plainly right is left to `configuration`, whose sentence names the
line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ...journal.sqlite_reader import plain_sqlite_file

__all__ = ["default_journal", "has_password", "journal_url", "named_journal"]

JOURNAL_VARIABLES: Final = "SWITCHMASTER_JOURNAL_"

KEYS: Final = frozenset({"url", "password_file", "observer", "events", "keep", "keep_events", "max_size", "queue"})
"""Those of ``[journal]``; with any other the file is read as a whole, and the mistake is reported."""


def journal_url(path: Path | None, given: str | None, environ: Mapping[str, str] | None = None) -> str:
    """
    Return the URL of the journal, with its password, for commands that only read it.

    Args:
        path: the TOML file; None for none.
        given: the URL of a flag; it wins.
        environ: the environment; None for the process's.

    Raises:
        UsageError: something is wrong.
    """
    environ = os.environ if environ is None else environ
    table = {} if path is None else _plain_table(path)
    if table is None:
        from .configuration import journal_url_of_file

        assert path is not None
        return journal_url_of_file(path, given, environ)
    url, file = (environ.get(f"{JOURNAL_VARIABLES}{key.upper()}") or table.get(key) for key in ("url", "password_file"))
    return named_journal(given or url, file, Path() if path is None else path.parent, environ)


def has_password(url: str) -> bool:
    """Return whether a journal's URL contains a password; False for what is no URL."""
    if "@" not in url:
        return False
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return bool(make_url(url).password)
    except (ArgumentError, ValueError):
        return False  # `make_engine` says what is wrong with it


def named_journal(url: str | None, password_file: str | None, folder: Path, environ: Mapping[str, str]) -> str:
    """
    Return the URL of a journal, with its password.

    Args:
        url: without a password; None for the default.
        password_file: file with the password; None for none.
        folder: what the name of that file is relative to.
        environ: may hold the password itself.

    Raises:
        UsageError: it is not the URL of a journal, or the file can't be read.
    """
    url = url or default_journal(environ)
    password = environ.get(f"{JOURNAL_VARIABLES}PASSWORD")
    if not password and password_file is not None:
        from ..watcher_arguments import read_secret

        password = read_secret(folder / os.path.expanduser(password_file), "journal")
    if plain_sqlite_file(url) is not None:
        return url  # a file has no password, and needs none of the libraries of other databases
    from sqlalchemy.engine import make_url

    from ...journal.engine import make_engine

    make_engine(url, writing=False).dispose()  # raises if it is not the URL of a journal
    if password:
        url = make_url(url).set(password=password).render_as_string(hide_password=False)
    return url


def default_journal(environ: Mapping[str, str]) -> str:
    """Return the URL of ``journal.db`` in the state directory: systemd's, the system's for root, or the user's own."""
    folder = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if not folder and os.geteuid() == 0:
        folder = "/var/lib/switchmaster"
    if not folder:
        home = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
        folder = f"{home}/switchmaster"
    return f"sqlite:///{Path(folder) / 'journal.db'}"


def _plain_table(path: Path) -> dict[str, str] | None:
    """Return the texts of ``[journal]``; None if the file must be read as a whole, because something may be wrong."""
    import tomllib  # only for those who have a file

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("journal", {})
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(table, dict) or not table.keys() <= KEYS:
        return None
    texts = {key: table[key] for key in ("url", "password_file") if key in table}
    plain = all(isinstance(text, str) and text.strip() for text in texts.values())
    # A password in the file's URL is refused, by who reads it as a whole.
    return texts if plain and not has_password(texts.get("url", "")) else None
