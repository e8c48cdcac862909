"""
`switchmaster why FILE...`: an incident in sentences, from logs, transcripts, or the journal.

The sentences say what happened, how long no master took writes, why it took that long, and what was at risk.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import click

from ...account.record_lines import failover_from_line, switch_from_line
from ...account.story import Story, choose, sentences
from ...account.timeline import Incident
from ...errors import UsageError
from ...terminal_text import neutralise
from ..incidents import replay_material
from ..journal_options import journal_options, open_journal
from ..local_time import clock, day_and_clock, read_moment_near, utc_option
from ..sources import read_sources, source_options

__all__ = ["why"]

FAILOVERS_READ: Final = 200
"""Failovers that are read from the journal, newest first."""


@click.command()
@source_options(required=False)
@journal_options
@click.option("--master", metavar="NAME", help="Only this master.")
@click.option("--at", metavar="TIME", help="The incident at this time: 03:12, or 2026-11-29T03:12:00Z.")
@utc_option
def why(
    files: tuple[str, ...],
    called: tuple[str, ...],
    tz: str | None,
    left_out: bool,
    config: str | None,
    journal: str | None,
    master: str | None,
    at: str | None,
) -> None:
    """
    Explain what happened, and why it took so long.

    FILE is as for `replay`: logs of Sentinels and data nodes in any format, or output of redis-cli. Without FILE, the
    failovers come from the journal.
    """
    story = _of_files(files, called, tz, left_out) if files else _of_journal(config, journal, master)
    chosen = choose(story, master=master, at=None if at is None else _moment(at, story))
    for sentence in sentences(replace(chosen, moment=day_and_clock, clock=clock)):
        click.echo(neutralise(sentence))


def _of_files(files: tuple[str, ...], called: tuple[str, ...], tz: str | None, left_out: bool) -> Story:
    material = read_sources(files, called, tz, left_out)
    told = replay_material(material, "default")
    if not told.timed:
        raise UsageError(
            f"{', '.join(files)}: output of redis-cli has no times, so durations are unknown. "
            "`replay` shows the order of events; the Sentinels' logs have the times"
        )
    has_nodes = material.logs is not None and bool(material.logs.nodes)
    return Story(told.incidents, material.said, told.rest, told.run_ids, has_nodes)


def _of_journal(config: str | None, journal: str | None, master: str | None) -> Story:
    from ...journal import FailoverFilter

    with open_journal(config, journal) as reader:
        page = reader.failovers(FailoverFilter(master=master), None, FAILOVERS_READ)
        incidents = []
        for line in reversed(page.items):
            switches = [switch_from_line(one) for _, one in reader.entries(types=("switch",), failover=line["id"])]
            incidents.append(Incident(failover_from_line(line), switches, ()))
    return Story(incidents, ())


def _moment(text: str, story: Story) -> float:
    try:
        return read_moment_near(text, (one.record.started for one in story.incidents))
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"--at {text}: expected a time such as 03:12, 03:12:30 or 2026-11-29T03:12:00Z") from None
