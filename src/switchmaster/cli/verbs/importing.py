"""
`switchmaster import FILE...`: put the failovers of logs and transcripts into the journal, once.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import click

from ...account.annotations import remark_record
from ...account.record import Observation
from ...errors import UsageError
from ...journal.entries import Entry
from ..incidents import ReplayedFiles, counted, replay_material
from ..journal_options import journal_options
from ..sources import read_sources, source_options

__all__ = ["import_"]


@click.command("import")
@source_options()
@journal_options
@click.option(
    "--deployment", metavar="NAME", default="default", help="Deployment of the files, as the journal names it."
)
@click.option("--name", metavar="NAME", default="logs", help="Name of this source in the journal.")
def import_(
    files: tuple[str, ...],
    called: tuple[str, ...],
    tz: str | None,
    left_out: bool,
    config: str | None,
    journal: str | None,
    deployment: str,
    name: str,
) -> None:
    """
    Put failovers from logs and transcripts into the journal.

    FILE is as for `replay`; it must contain times. You can import the same files again: what the journal already has,
    imported or heard by a daemon, is completed and never duplicated.
    """
    from ...journal.importing import import_entries, observer_of
    from ...server.settings.journal_place import journal_url

    material = read_sources(files, called, tz, left_out)
    if any(said.time is None for said in material.said):
        raise UsageError(
            f"{', '.join(files)}: some events have no time, such as output of redis-cli, so they can't go into "
            "the journal. "
            "Import the Sentinels' logs instead"
        )
    url = journal_url(None if config is None else Path(os.path.expanduser(config)), journal, os.environ)
    told = replay_material(material, deployment)
    observer = observer_of(material.said, deployment)
    written = import_entries(url, _with_remarks(told), observer=observer, name=name, now=time.time())
    failovers = {one.failover for one in written if one.type == "failover" and one.line["attempted"]}
    switches = sum(one.type == "switch" for one in written)
    click.echo(
        f"{counted(len(told.incidents), 'failover')} in the files; new or more complete in the journal: "
        f"{counted(len(failovers), 'failover')}, {counted(switches, 'switch')}"
    )


def _with_remarks(told: ReplayedFiles) -> list[Entry]:
    """Return the entries, each failover with its remarks."""
    found: list[Entry] = []
    for entry in told.entries:
        if isinstance(entry, Observation):
            noted = told.remarks.get((entry.master, entry.number), ())
            entry = replace(entry, remarks=tuple(map(remark_record, noted)))
        found.append(entry)
    return found
