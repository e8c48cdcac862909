"""
The files that `replay`, `why` and `import` are given, read into what Sentinels and nodes said.

A file holds logs in any format, redis-cli's output, JSON lines, or a mixture; plain or gzipped; "-" is standard input.
Logs may have any size: they are read in blocks, and memory grows with the events in them. Everything else is read as a
whole, up to `SOURCE_BYTES_MAX`.
"""

from __future__ import annotations

import gzip
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import IO, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from ..account.logs import LeftOut, LogFile, LogReader, Logs, merge_logs
from ..account.logs.log_reader import WHOLE, read_line
from ..account.logs.stamps import Zone
from ..account.transcript import Said, Transcript, merge, read_transcript
from ..errors import UsageError
from ..wire.events import Unrecognised
from ..wire.grammar import parse_event
from ..wire.hello import HELLO_CHANNEL, parse_published_hello
from .output import complain

__all__ = ["Material", "read_sources", "source_options"]

SOURCE_BYTES_MAX: Final = 512 * 1024 * 1024
"""Most bytes of a file that is not a log."""
BLOCK_BYTES: Final = 4 * 1024 * 1024
SKIPS_SHOWN: Final = 5
PROGRESS_BYTES: Final = 64 * 1024 * 1024
"""Files of this size or more get a progress bar on a terminal."""

_TRANSCRIPT: Final = re.compile(rb'"p?message"|^[ \t>|]*p?message\r?$|^[ \t>|]*\{.*"channel"', re.MULTILINE)
_OFFSET: Final = re.compile(r"([+-])(\d\d):?(\d\d)")


@dataclass(frozen=True, slots=True)
class Material:
    """The content of all files."""

    said: list[Said]
    """Every event, in order."""
    logs: Logs | None
    """What the logs among the files say; None if there are none."""
    left: list[tuple[str, LeftOut]]
    """Lines of logs that were not understood, with their file."""


def source_options(*, required: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds FILE... and the options for reading files."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(_options(required)):
            command = option(command)
        return command

    return add


def _options(required: bool) -> tuple[Callable[..., Any], ...]:
    return (
        click.argument("files", nargs=-1, required=required, metavar="FILE..." if required else "[FILE]..."),
        click.option("--as", "called", multiple=True, metavar="NAME=FILE", help="Name the server that wrote FILE."),
        click.option(
            "--tz",
            metavar="ZONE",
            help="Zone of times without a zone: +02:00, Europe/Berlin, local. [default: UTC]",
        ),
        click.option("--left-out", is_flag=True, help="Show log lines that were not understood."),
    )


def read_sources(
    files: Sequence[str], called: Sequence[str] = (), tz: str | None = None, left_out: bool = False
) -> Material:
    """
    Read files, and report on standard error what can't be understood.

    Args:
        files: paths; "-" is standard input.
        called: ``NAME=FILE``, the name of the server that wrote a file.
        tz: the zone of times without a zone.
        left_out: whether to show lines that were not understood.

    Returns:
        Their content.

    Raises:
        UsageError: a file can't be read, or none of them contains anything from a Sentinel or a node.
    """
    names = _names(called, files)
    zone = _zone(tz)
    logs: list[LogFile] = []
    transcripts: list[Transcript] = []
    left: list[tuple[str, LeftOut]] = []
    latest = 0.0
    for file in files:
        reader, content, moment = _read(file)
        latest = max(latest, moment)
        is_log = bool(reader.entries) or reader.of_servers > 0
        transcript = None
        if is_log:
            logs.append(LogFile(file, reader.entries, names.get(file)))
            left += [(file, one) for one in reader.left]
        if content and (not is_log or _TRANSCRIPT.search(content)):
            name = names.get(file) or ("stdin" if file == "-" else Path(file).stem)
            transcript = read_transcript(_without_logs(content) if is_log else content, name)
            if transcript.said or not is_log:
                transcripts.append(transcript)
                _report_skips(transcript)
                _report_hellos(transcript)
                _report_unread(transcript)
        # Lines of a transcript are not log lines either; they are counted there.
        if is_log and (transcript is None or not transcript.said):
            _complain_of(file, reader)
    merged = merge_logs(logs, latest=latest, zone=zone) if logs else None
    said = merge(transcripts)
    if merged is not None:
        said = sorted([*merged.said, *said], key=lambda one: one.time or 0.0) if said else list(merged.said)
        _tell_of(merged, tz)
    if left_out:
        for file, one in left:
            complain(f"{file}:{one.line}: {one.reason}: {one.text}")
    if not said and not (merged and merged.noted):
        raise UsageError(
            f"found nothing from a Sentinel or a node in {', '.join(files)}: expected logs of Redis or Valkey, "
            "output of redis-cli PSUBSCRIBE, or JSON lines with sentinel, channel and payload"
        )
    return Material(said, merged, left)


# Files --------------------------------------------------------------------------------------------


def _read(file: str) -> tuple[LogReader, bytes, float]:
    """Read one file: as a log; its content, if it may be something else; and the time of its last change."""
    reader, kept = LogReader(file), bytearray()
    keeps, begun = True, True
    try:
        with _opened(file) as (stream, size, moment):
            for block in _blocks(stream, size, file):
                reader.feed(block)
                if begun:
                    begun = len(kept) + len(block) < WHOLE
                    keeps = begun or _TRANSCRIPT.search(block) is not None or _TRANSCRIPT.search(kept) is not None
                if not keeps:
                    kept.clear()
                    continue
                kept += block
                if len(kept) > SOURCE_BYTES_MAX:
                    raise UsageError(
                        f"can't read {file}: it is larger than {SOURCE_BYTES_MAX // 2**20} MB; cut it into pieces"
                    )
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"can't read {file}: {reason}") from None
    return reader, bytes(kept), moment


@contextmanager
def _opened(file: str) -> Iterator[tuple[IO[bytes], int, float]]:
    if file == "-":
        yield sys.stdin.buffer, 0, time.time()
        return
    status = Path(file).stat()
    with open(file, "rb") as plain:
        packed = plain.peek(2)[:2] == b"\x1f\x8b"
        if packed:
            with gzip.open(plain) as unpacked:
                yield unpacked, 0, status.st_mtime  # type: ignore[misc]  # GzipFile reads bytes as IO[bytes] does
        else:
            yield plain, status.st_size, status.st_mtime


def _blocks(stream: IO[bytes], size: int, file: str) -> Iterator[bytes]:
    """Yield a stream in blocks of whole lines."""
    rest = b""
    shown = size >= PROGRESS_BYTES and sys.stderr.isatty()
    with click.progressbar(length=size, label=Path(file).name, file=sys.stderr, hidden=not shown) as bar:
        while block := stream.read(BLOCK_BYTES):
            bar.update(len(block))
            cut = block.rfind(b"\n") + 1
            if cut:
                yield rest + block[:cut]
                rest = block[cut:]
            else:
                rest += block
                if len(rest) > SOURCE_BYTES_MAX:
                    raise UsageError(f"can't read {file}: it has a line longer than {SOURCE_BYTES_MAX // 2**20} MB")
    if rest:
        yield rest


def _without_logs(content: bytes) -> str:
    """Return the text with log lines blanked, so that the others keep their line numbers."""
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    return "\n".join("" if read_line(0, line.rstrip("\r")) else line for line in lines)


# Options ------------------------------------------------------------------------------------------


def _names(called: Sequence[str], files: Sequence[str]) -> dict[str, str]:
    names = {}
    for one in called:
        name, equals, file = one.partition("=")
        if not equals or not name or file not in files:
            raise UsageError(f"--as {one}: expected NAME=FILE, with FILE one of the given files")
        names[file] = name
    return names


def _zone(tz: str | None) -> Zone:
    if tz is None or tz.upper() in ("UTC", "Z"):
        return lambda local: 0
    zone: tzinfo | None
    if found := _OFFSET.fullmatch(tz):
        ahead = timedelta(hours=int(found[2]), minutes=int(found[3]))
        zone = timezone(ahead if found[1] == "+" else -ahead)
    elif tz == "local":
        zone = None
    else:
        try:
            zone = ZoneInfo(tz)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise UsageError(
                f"--tz {tz}: unknown zone; expected +02:00, a name such as Europe/Berlin, or local"
            ) from None

    def ahead_at(local: float) -> int:
        naive = datetime.fromtimestamp(local, UTC).replace(tzinfo=None)
        offset = (naive.astimezone() if zone is None else naive.replace(tzinfo=zone)).utcoffset()
        return 0 if offset is None else round(offset.total_seconds())

    return ahead_at


# What could not be understood ---------------------------------------------------------------------


def _report_skips(transcript: Transcript) -> None:
    if not transcript.skipped:
        return
    reasons = [f"line {skip.line}: {skip.reason}" for skip in transcript.skips[:SKIPS_SHOWN]]
    more = transcript.skipped - len(reasons)
    shown = "; ".join(reasons) + (f"; and {more} more" if more else "")
    complain(f"{transcript.name}: {transcript.skipped} of its pieces can't be read and were left out ({shown})")


def _report_hellos(transcript: Transcript) -> None:
    hellos = [said for said in transcript.said if said.channel == HELLO_CHANNEL]
    if hellos:
        complain(
            f"{transcript.name}: {len(hellos)} of its messages are hellos ({HELLO_CHANNEL}, first in line "
            f"{hellos[0].line}), which Sentinels publish on data nodes: they show the master and its epoch, but no "
            "stage of a failover. To get those, run PSUBSCRIBE on the Sentinels (port 26379)"
        )


def _report_unread(transcript: Transcript) -> None:
    unread = [(said, reason) for said in transcript.said if (reason := _unread(said))]
    if unread:
        kinds = Counter(reason for _, reason in unread)
        first = {reason: said for said, reason in reversed(unread)}
        shown = "; ".join(f"line {first[why].line}: {why}" for why, _ in kinds.most_common(SKIPS_SHOWN))
        more = f"; and {len(kinds) - SKIPS_SHOWN} other reasons" if len(kinds) > SKIPS_SHOWN else ""
        complain(f"{transcript.name}: {len(unread)} of its messages were not understood ({shown}{more})")


def _unread(said: Said) -> str:
    """Return why a message is not understood; empty if it is."""
    if said.channel == HELLO_CHANNEL:
        return "" if parse_published_hello(said.payload) else "a hello in an unknown format"
    event = parse_event(said.channel, said.payload)
    return f"{said.channel}: {event.reason}" if isinstance(event, Unrecognised) else ""


def _complain_of(file: str, reader: LogReader) -> None:
    if reader.over:
        complain(f"{file}: left out {reader.over} events after the first {len(reader.entries)}; cut it into pieces")
    if reader.left_out:
        complain(f"{file}: {reader.left_out} of {reader.lines} lines are not from a server; --left-out shows them")


def _tell_of(logs: Logs, tz: str | None) -> None:
    for file, line, reason in logs.unreadable[:SKIPS_SHOWN]:
        complain(f"{file}:{line}: left out an event that can't be read ({reason})")
    if len(logs.unreadable) > SKIPS_SHOWN:
        complain(f"left out {len(logs.unreadable) - SKIPS_SHOWN} more events that can't be read")
    if not logs.zoned and tz is None:
        complain("the logs name no time zone and are read as UTC; use --tz for another zone")
    if logs.resolution >= 1.0:
        complain("one of the logs has times to the second only: the order within a second is uncertain")
    for name, offset in logs.offsets.items():
        if offset.seconds:
            side = "ahead of" if offset.seconds > 0 else "behind"
            within = (offset.most - offset.least) / 2
            known = f"within {within:.3f} s" if within < 60 else "from one side only"
            complain(
                f"the clock of {name} is {abs(offset.seconds):.3f} s {side} {logs.sentinels[0]}'s (known {known}, from "
                f"{offset.evidence} votes and switches); its times are corrected"
            )
