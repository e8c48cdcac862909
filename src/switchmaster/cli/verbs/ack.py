"""`switchmaster ack ID`: note in the journal that somebody has seen to a failover."""

from __future__ import annotations

import getpass

import click

from ..journal_options import journal_options, no_such, opened, the_id

__all__ = ["ack"]


@click.command()
@click.argument("id")
@click.argument("comment", required=False, default="")
@click.option("--by", metavar="NAME", help="Who. [default: this user]")
@journal_options
def ack(id: str, comment: str, by: str | None, config: str | None, journal: str | None) -> None:
    """Acknowledge the failover ID (its beginning will do; `last` is the newest), with a COMMENT or without."""
    with opened(config, journal) as reader:
        if not reader.acknowledge(the_id(reader, id), by or getpass.getuser(), comment):
            raise no_such(id)
