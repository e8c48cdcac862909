"""
`switchmaster replay`: what recorded Sentinels said, decided again by the core that hears them live.

Enters: files of redis-cli's output, recorded lines of JSON, or notes with such output in them; one
file a Sentinel, or one file of several. Leaves: failovers and switches on standard output, in their
order.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import click

from ..core.events import Unrecognised
from ..core.grammar import parse_event
from ..core.hello import HELLO_CHANNEL, parse_hello
from ..core.replay import Chapter, chapters
from ..core.transcript import Said, Transcript, merge, read_transcript
from ..errors import UsageError
from ..lines import Line, failover_line, notice_line, switch_line
from .account import Narrator
from .output import Output, complain, format_option
from .zone import utc_option

__all__ = ["replay"]

SIZE: Final = 512 * 1024 * 1024
SKIPS_SHOWN: Final = 5


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--deployment", metavar="NAME", default="default", help="The name that the lines carry.")
@utc_option
@format_option
def replay(files: tuple[str, ...], deployment: str, form: str | None) -> None:
    """
    Report each failover and switch in recorded Sentinel events.

    FILE holds what redis-cli printed for PSUBSCRIBE, on a terminal, through a pipe, or with --csv or
    --json, with whatever stands around it (prompts, notes, the prefixes of docker compose and kubectl
    logs); messages as redis-py returns them, printed or as JSON; or lines of JSON ({"ts", "sentinel",
    "channel", "payload"}, or what `watch --events` prints). Several files are several Sentinels of one
    deployment. "-" is standard input. What can't be read is counted on standard error.
    """
    transcripts = [_read(file) for file in files]
    for transcript in transcripts:
        _report_skips(transcript)
        _report_hellos(transcript)
        _report_unread(transcript)
    said = merge(transcripts)
    if not said:
        raise UsageError(
            f"found nothing that a Sentinel said in {', '.join(files)}: expected what redis-cli "
            "prints for "
            "PSUBSCRIBE, or lines of JSON with sentinel, channel and payload"
        )
    output = Output(form)
    told = chapters(said, deployment)
    if output.form == "pretty":
        _tell(output, told)
    else:
        for line in _lines(told):
            output.line(line)


def _read(file: str) -> Transcript:
    name = "stdin" if file == "-" else Path(file).stem
    try:
        if file == "-":
            data = sys.stdin.buffer.read(SIZE + 1)
        else:
            with open(file, "rb") as opened:
                data = opened.read(SIZE + 1)
    except OSError as error:
        raise UsageError(f"can't read {file}: {error.strerror}") from None
    if len(data) > SIZE:
        raise UsageError(f"can't read {file}: it is larger than {SIZE // 2**20} MB; cut it into pieces")
    return read_transcript(data, name)


def _report_skips(transcript: Transcript) -> None:
    if not transcript.skipped:
        return
    reasons = [f"line {skip.line}: {skip.reason}" for skip in transcript.skips[:SKIPS_SHOWN]]
    more = transcript.skipped - len(reasons)
    shown = "; ".join(reasons) + (f"; and {more} more" if more else "")
    complain(f"{transcript.name}: left out {transcript.skipped} of its pieces, which can't be read ({shown})")


def _report_hellos(transcript: Transcript) -> None:
    hellos = [said for said in transcript.said if said.channel == HELLO_CHANNEL]
    if hellos:
        complain(
            f"{transcript.name}: {len(hellos)} of its messages are hellos ({HELLO_CHANNEL}, first in line "
            f"{hellos[0].line}), which Sentinels publish on data nodes: they show the master and its epoch, but no "
            "stage of a failover. To hear those, run PSUBSCRIBE on the Sentinels (port 26379)"
        )


def _report_unread(transcript: Transcript) -> None:
    unread = [(said, reason) for said in transcript.said if (reason := _unread(said))]
    if unread:
        kinds = Counter(reason for _, reason in unread)
        first = {reason: said for said, reason in reversed(unread)}
        shown = "; ".join(f"line {first[why].line}: {why}" for why, _ in kinds.most_common(SKIPS_SHOWN))
        more = f"; and {len(kinds) - SKIPS_SHOWN} other reasons" if len(kinds) > SKIPS_SHOWN else ""
        complain(f"{transcript.name}: {len(unread)} of its messages say nothing that is understood ({shown}{more})")


def _unread(said: Said) -> str:
    """Return why a message says nothing to us; nothing where it does."""
    if said.channel == HELLO_CHANNEL:
        return "" if parse_hello(said.payload) else "a hello of another shape"
    event = parse_event(said.channel, said.payload)
    return f"{said.channel}: {event.reason}" if isinstance(event, Unrecognised) else ""


def _lines(told: Iterable[Chapter]) -> Iterable[Line]:
    for chapter in told:
        if chapter.switch is not None:
            yield switch_line(chapter.switch)
        if chapter.failover is not None and chapter.failover.attempted:
            yield failover_line(chapter.failover)
        if chapter.notice is not None:
            yield notice_line(chapter.notice)


def _tell(output: Output, told: Sequence[Chapter]) -> None:
    narrator = Narrator()
    failovers = switches = 0
    for chapter in told:
        record, switch = chapter.failover, chapter.switch
        switches += switch is not None
        if record is not None and record.attempted:
            failovers += 1
            output.all_words(narrator.failover(record, switch))
        elif switch is not None:
            output.all_words(narrator.switch(switch))
        elif chapter.notice is not None:
            output.all_words(narrator.notice(chapter.notice))
    output.words(())
    output.words(((f"{_count(failovers, 'failover')}, {_count(switches, 'switch')}", "bold"),))


def _count(number: int, word: str) -> str:
    plural = f"{word}es" if word.endswith("ch") else f"{word}s"
    return f"{number} {word if number == 1 else plural}"
