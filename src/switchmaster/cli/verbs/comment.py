"""`switchmaster comment ID TEXT`: add a comment to a failover in the journal."""

from __future__ import annotations

import getpass

import click

from ..journal_options import journal_options, open_journal, resolve_id, unknown_failover

__all__ = ["comment"]


@click.command()
@click.argument("id")
@click.argument("text")
@click.option("--by", metavar="NAME", help="Your name. [default: this user]")
@journal_options
def comment(id: str, text: str, by: str | None, config: str | None, journal: str | None) -> None:
    """Add the comment TEXT to the failover ID (or the beginning of its id; `last` is the newest)."""
    with open_journal(config, journal) as reader:
        if not reader.comment(resolve_id(reader, id), by or getpass.getuser(), text):
            raise unknown_failover(id)
