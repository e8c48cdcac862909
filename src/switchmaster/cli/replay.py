"""
`switchmaster replay`: what recorded Sentinels said, decided again by the core that hears them live.

Enters: files of redis-cli's output, recorded lines of JSON, or notes with such output in them; one
file a Sentinel, or one file of several. Leaves: failovers and switches on standard output, in their
order.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import click

from ..core.decisions import Notice, Switch
from ..core.failover import Failover
from ..core.replay import replay as decide
from ..core.transcript import Transcript, merge, read_transcript
from ..errors import UsageError
from ..lines import failover_line, notice_line, switch_line
from .account import Narrator
from .output import Output, complain, format_option

__all__ = ["replay"]

SIZE: Final = 512 * 1024 * 1024
SKIPS_SHOWN: Final = 5


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--deployment", metavar="NAME", default="default", help="The name that the lines carry.")
@format_option
def replay(files: tuple[str, ...], deployment: str, form: str | None) -> None:
    """
    Report each failover and switch in recorded Sentinel events.

    FILE holds what redis-cli printed for PSUBSCRIBE, on a terminal or through a pipe, with whatever
    stands around it, or lines of JSON ({"ts", "sentinel", "channel", "payload"}, or what `watch
    --events` prints). Several files are several Sentinels of one deployment. "-" is standard input.
    """
    transcripts = [_read(file) for file in files]
    for transcript in transcripts:
        _report_skips(transcript)
    said = merge(transcripts)
    if not said:
        raise UsageError(
            f"found nothing that a Sentinel said in {', '.join(files)}: expected what redis-cli "
            "prints for "
            "PSUBSCRIBE, or lines of JSON with sentinel, channel and payload"
        )
    output = Output(form)
    decided = decide(said, deployment)
    if output.form == "pretty":
        _tell(output, decided)
    else:
        for decision in decided:
            output.line(_line(decision))


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


def _line(decision: Switch | Failover | Notice) -> dict[str, object]:
    match decision:
        case Switch():
            return switch_line(decision)
        case Failover():
            return failover_line(decision)
        case Notice():
            return notice_line(decision)


def _tell(output: Output, decided: Iterable[Switch | Failover | Notice]) -> None:
    narrator = Narrator()
    failovers = switches = 0
    for record, switch, notice in _paired(decided):
        failovers += record is not None
        switches += switch is not None
        if record is not None:
            output.all_words(narrator.failover(record, switch))
        elif switch is not None:
            output.all_words(narrator.switch(switch))
        elif notice is not None:
            output.all_words(narrator.notice(notice))
    output.words(())
    output.words(((f"{_count(failovers, 'failover')}, {_count(switches, 'switch')}", "bold"),))


def _paired(
    decided: Iterable[Switch | Failover | Notice],
) -> Iterator[tuple[Failover | None, Switch | None, Notice | None]]:
    """Keep each switch until the record of its failover has come, which ends later."""
    waiting: dict[str, Switch] = {}
    for decision in decided:
        match decision:
            case Switch():
                before = waiting.pop(decision.master, None)
                if before is not None:
                    yield None, before, None
                waiting[decision.master] = decision
            case Failover():
                switch = waiting.get(decision.master)
                if switch is not None and switch.new == decision.new:
                    del waiting[decision.master]
                    yield decision, switch, None
                else:
                    yield decision, None, None
            case Notice():
                yield None, None, decision
    for switch in waiting.values():
        yield None, switch, None


def _count(number: int, word: str) -> str:
    plural = f"{word}es" if word.endswith("ch") else f"{word}s"
    return f"{number} {word if number == 1 else plural}"
