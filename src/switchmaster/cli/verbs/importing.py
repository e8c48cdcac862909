"""
`switchmaster import FILE...`: what logs and transcripts show, put into the journal, once.

Enters: files as for `replay`, and a journal. Leaves: how many failovers and switches are new in it.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import click

from ...account.annotations import remark_line
from ...errors import UsageError
from ...journal.entries import Entry
from ...journal.merge import Observation
from ..incidents import ReplayedFiles, counted, replay_material
from ..journal_options import journal_options
from ..sources import read_sources, source_options

__all__ = ["import_"]


@click.command("import")
@source_options()
@journal_options
@click.option("--deployment", metavar="NAME", default="default", help="Whose they are, as the journal names it.")
@click.option("--name", metavar="NAME", default="logs", help="What the journal shall call this source.")
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

    FILE is as for `replay`; it must have times. The same files may be imported again: what the journal has already is
    completed, never doubled, whether it was imported or heard by a daemon.
    """
    from ...journal.importing import import_entries, observer_of
    from ...server.settings.configuration import journal_url

    material = read_sources(files, called, tz, left_out)
    if any(said.time is None for said in material.said):
        raise UsageError(
            f"{', '.join(files)}: some of it has no times, as all that redis-cli prints, so it has no place in a "
            "journal; "
            "give the Sentinels' logs"
        )
    url = journal_url(None if config is None else Path(os.path.expanduser(config)), journal, os.environ)
    told = replay_material(material, deployment)
    observer = observer_of(material.said, deployment)
    written = import_entries(url, _with_remarks(told), observer=observer, name=name, now=time.time())
    failovers = {one.failover for one in written if one.line["type"] == "failover" and one.line["attempted"]}
    switches = sum(one.line["type"] == "switch" for one in written)
    click.echo(
        f"{counted(len(told.incidents), 'failover')} in the files; new or more complete in the journal: "
        f"{counted(len(failovers), 'failover')}, {counted(switches, 'switch')}"
    )


def _with_remarks(told: ReplayedFiles) -> list[Entry]:
    """Return the entries, each account with the remarks that belong to it."""
    found: list[Entry] = []
    for entry in told.entries:
        if isinstance(entry, Observation):
            noted = told.remarks.get((entry.master, entry.number), ())
            entry = replace(entry, line={**entry.line, "remarks": [remark_line(one) for one in noted]})
        found.append(entry)
    return found
