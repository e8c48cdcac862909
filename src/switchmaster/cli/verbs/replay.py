"""
`switchmaster replay`: recorded Sentinel events and logs, decided again by the core that also runs live.

The input is files of logs, redis-cli's output, JSON lines, or notes with such output; one file for each Sentinel, or
one for several. The output is failovers and switches in their order, with what only logs say; or a post-mortem; or a
picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from ...account.annotations import remark_record, remark_words
from ...account.postmortem import postmortem
from ...account.record import Vote
from ...account.record_lines import remark_to_line, vote_to_line
from ...account.timeline import to_html, to_svg
from ...belief.failover import Failover
from ...errors import UsageError
from ...render import Line, failover_line, notice_line, switch_line
from ...terminal_text import neutralise
from ..incidents import ReplayedFiles, counted, replay_material
from ..local_time import utc_option
from ..narrator import Narrator
from ..output import Output
from ..sources import read_sources, source_options

__all__ = ["replay"]

DOCUMENTS: Final = ("md", "svg", "html")


@click.command()
@source_options()
@click.option("--deployment", metavar="NAME", default="default", help="Deployment name in the output.")
@utc_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["pretty", "json", "tsv", *DOCUMENTS]),
    help="Text for people, output for programs, a post-mortem in Markdown, or the timeline as a picture or page. "
    "[default: pretty on a terminal, json otherwise]",
)
def replay(
    files: tuple[str, ...], called: tuple[str, ...], tz: str | None, left_out: bool, deployment: str, form: str | None
) -> None:
    """
    Report each failover and switch in recorded Sentinel events and logs.

    FILE contains log lines of Sentinels and data nodes in any format, with or without the prefix of a container or a
    log collector; or output of redis-cli PSUBSCRIBE, from a terminal, a pipe, or with --csv or --json; or messages of
    redis-py, printed or as JSON; or JSON lines ({"ts", "sentinel", "channel", "payload"}, or the output of
    `watch --events`). Other text around them is ignored. Files may be gzipped; "-" is standard input. Several files are
    several Sentinels and nodes of one deployment. What can't be read is counted on standard error.
    """
    told = replay_material(read_sources(files, called, tz, left_out), deployment)
    if form in DOCUMENTS:
        click.echo(_document(told, form), nl=False)
        return
    output = Output(form)
    if output.form == "pretty":
        _tell(output, told)
    else:
        for line in _lines(told):
            output.line(line)


def _document(told: ReplayedFiles, form: str) -> str:
    incidents = told.incidents
    if not told.timed:
        raise UsageError("output of redis-cli has no times, so there is no timeline to draw; use the Sentinels' logs")
    if form == "md":
        parts = ["".join(f"{neutralise(row)}\n" for row in postmortem(one.record, one.switches)) for one in incidents]
        return "\n".join(parts) or "No failover was found.\n"
    return to_svg(incidents) if form == "svg" else to_html(incidents)


def _lines(told: ReplayedFiles) -> Iterator[Line]:
    for chapter in told.chapters:
        if chapter.switch is not None:
            yield switch_line(chapter.switch)
        if chapter.failover is not None and chapter.failover.attempted:
            yield _failover_line(chapter.failover, told)
        if chapter.notice is not None:
            yield notice_line(chapter.notice)


def _failover_line(record: Failover, told: ReplayedFiles) -> Line:
    noted = told.remarks.get((record.master, record.number), ())
    votes = [vote_to_line(Vote(*vote)) for vote in record.votes]
    return failover_line(record) | {"votes": votes, "remarks": [remark_to_line(remark_record(one)) for one in noted]}


def _tell(output: Output, told: ReplayedFiles) -> None:
    narrator = Narrator()
    failovers = switches = 0
    for chapter in told.chapters:
        record, switch = chapter.failover, chapter.switch
        switches += switch is not None
        if record is not None and record.attempted:
            failovers += 1
            output.all_words(narrator.failover(record, switch))
            for noted in told.remarks.get((record.master, record.number), ()):
                words = remark_words(noted, told.run_ids)
                output.words(narrator.remark(noted.time, "log", f"{words}  ({noted.origin}'s log)"))
        elif switch is not None:
            output.all_words(narrator.switch(switch))
        elif chapter.notice is not None:
            output.all_words(narrator.notice(chapter.notice))
    output.words(())
    output.words(((f"{counted(failovers, 'failover')}, {counted(switches, 'switch')}", "bold"),))
