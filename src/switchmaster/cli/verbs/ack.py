"""`switchmaster ack ID`: note in the journal that somebody has seen to a failover."""

from __future__ import annotations

import getpass

import click

from ..journal_options import journal_options, open_journal, resolve_id, unknown_failover

__all__ = ["ack"]


@click.command()
@click.argument("id")
@click.argument("comment", required=False, default="")
@click.option("--by", metavar="NAME", help="Who. [default: this user]")
@journal_options
def ack(id: str, comment: str, by: str | None, config: str | None, journal: str | None) -> None:
    """Acknowledge the failover ID (its beginning will do; `last` is the newest), with a COMMENT or without."""
    with open_journal(config, journal) as reader:
        if not reader.acknowledge(resolve_id(reader, id), by or getpass.getuser(), comment):
            raise unknown_failover(id)
