"""`switchmaster ack ID`: acknowledge a failover in the journal."""

from __future__ import annotations

import getpass

import click

from ..journal_options import journal_options, open_journal, resolve_id, unknown_failover

__all__ = ["ack"]


@click.command()
@click.argument("id")
@click.argument("comment", required=False, default="")
@click.option("--by", metavar="NAME", help="Your name. [default: this user]")
@journal_options
def ack(id: str, comment: str, by: str | None, config: str | None, journal: str | None) -> None:
    """Acknowledge the failover ID (or the beginning of its id; `last` is the newest), optionally with a COMMENT."""
    with open_journal(config, journal) as reader:
        if not reader.acknowledge(resolve_id(reader, id), by or getpass.getuser(), comment):
            raise unknown_failover(id)
