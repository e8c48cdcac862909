"""
Transcripts: what operators recorded of Sentinels' events, read into `Said`.

The text of a file goes in: redis-cli's PSUBSCRIBE on a terminal, through a pipe, or with --csv or --json; messages that
a program printed; recorded lines of JSON, or our own event lines; all of it mixed with prompts, banners, container
prefixes and notes. Every event in it comes out, with its line. What cannot be read is counted, with its line; nothing
ever raises. `merge` makes one stream of the files of several Sentinels.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from ..wire.events import Unrecognised
from ..wire.grammar import parse_event
from ..wire.hello import HELLO_CHANNEL
from .transcript_lines import (
    CHANNEL,
    LINE_MAX,
    MESSAGES,
    Dressed,
    JsonEvent,
    Value,
    is_log_line,
    read_element,
    read_json,
    read_prompt,
    read_reply,
    undress,
)

__all__ = [
    "LINE_MAX",
    "SKIPS_KEPT",
    "Said",
    "Skipped",
    "Transcript",
    "TranscriptForm",
    "merge",
    "read_transcript",
]

SKIPS_KEPT: Final = 20
"""Unreadable pieces whose line and reason are kept; the others are only counted."""

JOINED_LINES: Final = 8
"""Lines that one payload may span in the piped form, if a name holds line feeds."""

TranscriptForm: TypeAlias = Literal["tty", "raw", "reply", "jsonl", "none"]
"""
redis-cli on a terminal, redis-cli through a pipe, one reply a line, recorded lines of JSON; none if no event was found.
"""


@dataclass(frozen=True, slots=True)
class Said:
    """One message that a Sentinel published, as recorded."""

    sentinel: str
    """``host:port`` if the file says so; otherwise the name under which it was read."""
    time: float | None
    """Seconds since 1970; None in redis-cli's output, unless its lines have a time prefix."""
    channel: str
    payload: str
    """Bytes that are not UTF-8 are kept by surrogateescape."""
    line: int
    """The line of its file on which it begins, from 1."""
    session: int = 1
    """The subscription of its file that received it, from 1; what was published between two of them is not known."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that looked like a part of a transcript and could not be read."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """One file, read."""

    name: str
    said: tuple[Said, ...]
    """In the order of the file; empty if nothing in it is the output of a Sentinel."""
    skipped: int
    """Pieces that could not be read."""
    form: TranscriptForm
    """The form of most of its events."""
    skips: tuple[Skipped, ...] = ()
    """The first `SKIPS_KEPT` of the pieces that could not be read."""

    @property
    def sessions(self) -> int:
        """How many subscriptions of the file received something."""
        return max((said.session for said in self.said), default=0)

    @property
    def sentinels(self) -> tuple[str, ...]:
        """The names of the Sentinels, each once, as they first appear."""
        return tuple(dict.fromkeys(said.sentinel for said in self.said))


def read_transcript(text: str | bytes, name: str) -> Transcript:
    """
    Read what Sentinels said from the text of a file.

    Args:
        text: the whole file; bytes are decoded as UTF-8 with surrogateescape.
        name: what to call the Sentinel if the file does not say; usually the file's stem.

    Returns:
        The transcript. A prompt such as ``10.0.0.1:26379>``, the options of a command line that starts redis-cli, and
        the container in a line's prefix name the Sentinel of what follows; lines of JSON name their own. Containers
        whose lines alternate are read separately.
    """
    content = text if isinstance(text, str) else text.decode("utf-8", "surrogateescape")
    sources: dict[str | None, list[tuple[int, Dressed]]] = defaultdict(list)
    # Not splitlines(): it also splits at characters that may be in a payload.
    for number, line in enumerate(content.removeprefix("\ufeff").split("\n"), 1):
        dressed = undress(line)
        sources[dressed.source].append((number, dressed))
    forms, said, skips, skipped, sessions = Counter[TranscriptForm](), list[Said](), list[Skipped](), 0, 0
    for source, lines in sources.items():
        reader = _Reader(lines, source or name)
        reader.read()
        said += [replace(one, session=one.session + sessions) for one in reader.said] if sessions else reader.said
        sessions += reader.session
        forms += reader.forms
        skipped += reader.skipped
        skips += reader.skips
    form: TranscriptForm = forms.most_common(1)[0][0] if forms else "none"
    said.sort(key=lambda one: one.line)
    skips.sort(key=lambda skip: skip.line)
    return Transcript(name, tuple(said), skipped, form, tuple(skips[:SKIPS_KEPT]))


def merge(transcripts: Sequence[Transcript]) -> list[Said]:
    """
    Put the messages of several files into one order.

    Messages with a time come first, by their time; equal times keep the order of the files. Those without follow,
    aligned by what all Sentinels share: each file is cut at its ``+new-epoch`` events, and the pieces are ordered by
    their epochs (0 before the first; a lower epoch after a higher one cuts nothing). Of one epoch the leader's piece,
    which has ``+elected-leader``, comes first, then the others in the order given. Within a piece the order is that of
    the file.

    If two redis-cli transcripts both name 127.0.0.1 with the same port, they were recorded on two machines: their
    Sentinels get the names of the transcripts.

    Args:
        transcripts: one for each file.

    Returns:
        All messages of all files, none lost and none twice.
    """
    told_apart = _told_apart(transcripts)
    timed = [said for each in told_apart for said in each if said.time is not None]
    pieces: dict[int, list[list[Said]]] = defaultdict(list)
    for each in told_apart:
        for epoch, piece in _by_epoch(said for said in each if said.time is None):
            pieces[epoch].append(piece)
    untimed = [
        said for epoch in sorted(pieces) for piece in sorted(pieces[epoch], key=_is_not_leaders) for said in piece
    ]
    return sorted(timed, key=lambda said: said.time or 0.0) + untimed


def _told_apart(transcripts: Sequence[Transcript]) -> list[tuple[Said, ...]]:
    terminals = [each for each in transcripts if each.form not in ("jsonl", "none")]
    claims = Counter(name for each in terminals for name in each.sentinels if _is_loopback(name))
    shared = {name for name, claimed in claims.items() if claimed > 1}
    return [
        tuple(replace(said, sentinel=each.name) if said.sentinel in shared else said for said in each.said)
        if each.form not in ("jsonl", "none")
        else each.said
        for each in transcripts
    ]


def _is_loopback(name: str) -> bool:
    return name.startswith(("127.", "localhost:", "[::1]:"))


def _by_epoch(said: Iterable[Said]) -> Iterator[tuple[int, list[Said]]]:
    epoch, piece = 0, list[Said]()
    for each in said:
        if (begun := _epoch_begun(each)) > epoch:
            yield epoch, piece
            epoch, piece = begun, []
        piece.append(each)
    yield epoch, piece


def _epoch_begun(said: Said) -> int:
    is_epoch = said.channel == "+new-epoch" and re.fullmatch(r"[0-9]{1,20}", said.payload)
    return int(said.payload) if is_epoch else 0


def _is_not_leaders(piece: list[Said]) -> bool:
    return all(said.channel != "+elected-leader" for said in piece)


class _Reader:
    """Walks over the lines of one source; each step consumes at least one."""

    RAW_HEAD: Final = re.compile(r"([ \t>|]*)(p?message|p?subscribe)\r?")
    NOTE: Final = re.compile(r"[ \t>|]*(#|//).*", re.DOTALL)

    def __init__(self, lines: Sequence[tuple[int, Dressed]], name: str) -> None:
        self.numbers = [number for number, _ in lines]
        self.times = [line.time for _, line in lines]
        self.lines = [line.text for _, line in lines]
        self.sentinel = name
        self.at = 0
        self.session = 0
        self.starting = True
        self.said: list[Said] = []
        self.forms: Counter[TranscriptForm] = Counter()
        self.skipped = 0
        self.skips: list[Skipped] = []

    def read(self) -> None:
        while self.at < len(self.lines):
            self._step(self.lines[self.at])

    def _step(self, line: str) -> None:
        if len(line) > LINE_MAX:
            self._skip(self.at, f"a line of {len(line)} characters")
            self.at += 1
        elif reply := read_reply(line):
            self._close_frame("reply", self.at, MESSAGES[str(reply[0])], list(reply))
            self.at += 1
        elif (bare := line.lstrip(" \t>|")).startswith("{"):
            self._take_json(read_json(bare))
        elif element := read_element(line):
            self._take_frame(*element)
        elif head := self.RAW_HEAD.fullmatch(line):
            self._take_raw(head[1], head[2])
        else:
            self._take_prose(line)

    def _take_json(self, found: JsonEvent | str | None) -> None:
        if isinstance(found, JsonEvent):
            sentinel = found.sentinel or self.sentinel
            self._hear("jsonl", self.at, sentinel, found.time, found.channel, found.payload)
        elif found is not None:
            self._skip(self.at, found)
        self.at += 1

    def _take_prose(self, line: str) -> None:
        prompt = read_prompt(line)
        if prompt is not None:
            self.sentinel = prompt.sentinel or self.sentinel
            self.starting = self.starting or prompt.starts
            if read_element(prompt.rest) is not None:
                # The message follows the prompt on its line: the next step reads it as a line.
                self.lines[self.at] = prompt.rest
                return
        elif is_log_line(line):
            self._skip(self.at, "a line of a Sentinel's log file, not of what its subscribers get")
        self.at += 1

    def _take_frame(self, place: int, value: Value) -> None:
        size = MESSAGES.get(value, 0) if isinstance(value, str) else 0
        if not size:
            # An element of another reply, or of a frame without its beginning.
            if place > 1 and isinstance(value, str) and CHANNEL.fullmatch(value):
                self._skip(self.at, "an event without its beginning")
            self.at += 1
            return
        start, values = self.at, [value]
        self.at += 1
        while len(values) < size:
            self._pass_notes()
            element = read_element(self.lines[self.at]) if self.at < len(self.lines) else None
            if element is None or element[0] != place + len(values):
                break
            values.append(element[1])
            self.at += 1
        # Editors number lists continuously, so a frame may begin anywhere; then its channel must show that it is one.
        channel = values[size - 2] if len(values) >= size - 1 else None
        if place == 1 or (isinstance(channel, str) and CHANNEL.fullmatch(channel)):
            self._close_frame("tty", start, size, values)

    def _pass_notes(self) -> None:
        while self.at < len(self.lines) and (
            not self.lines[self.at].strip(" \t\r>|") or self.NOTE.fullmatch(self.lines[self.at])
        ):
            self.at += 1

    def _close_frame(self, form: TranscriptForm, start: int, size: int, values: list[Value]) -> None:
        if values[0] in ("psubscribe", "subscribe"):
            self._confirm(values[-1] == 1)
            return
        match values[-2:]:
            case [str(channel), str(payload)] if len(values) == size:
                self._hear(form, start, self.sentinel, None, channel, payload)
            case _:
                self._skip(start, "an incomplete message")

    def _take_raw(self, prefix: str, kind: str) -> None:
        if kind.endswith("subscribe"):
            count = self._raw_line(2, prefix)
            is_confirmation = count is not None and re.fullmatch(r"[0-9]{1,9}", count)
            self._confirm(bool(is_confirmation) and count == "1")
            self.at += 3 if is_confirmation else 1
            return
        place = MESSAGES[kind] - 1
        channel, payload = self._raw_line(place - 1, prefix), self._raw_line(place, prefix)
        if channel is None or not CHANNEL.fullmatch(channel):
            self._skip(self.at, f"{kind!r} is not followed by a channel")
            self.at += 1
        elif payload is None or payload in MESSAGES or (payload == "" and self._is_last(place)):
            self._skip(self.at, "an incomplete message")
            self.at += place
        else:
            whole, taken = self._raw_payload(channel, payload, place, prefix)
            self._hear("raw", self.at, self.sentinel, None, channel, whole)
            self.at += place + taken

    def _raw_payload(self, channel: str, payload: str, place: int, prefix: str) -> tuple[str, int]:
        # Redis accepts line feeds in a name, and a pipe shows them as they are: only a payload that can't be read
        # by itself is tried together with the lines after it.
        whole = payload
        for more in range(JOINED_LINES):
            if channel == HELLO_CHANNEL or not isinstance(parse_event(channel, whole), Unrecognised):
                return whole, more + 1
            line = self._raw_line(place + more + 1, prefix)
            if line is None or line in MESSAGES:
                break
            whole = f"{whole}\n{line}"
        return payload, 1

    def _raw_line(self, ahead: int, prefix: str) -> str | None:
        at = self.at + ahead
        if at >= len(self.lines) or len(self.lines[at]) > LINE_MAX:
            return None
        return self.lines[at].removesuffix("\r").removeprefix(prefix)

    def _is_last(self, ahead: int) -> bool:
        return self.at + ahead == len(self.lines) - 1

    def _confirm(self, is_first: bool) -> None:
        # PSUBSCRIBE with several patterns is confirmed for each of them; only the first begins a subscription.
        self.starting = self.starting or is_first

    def _hear(
        self, form: TranscriptForm, at: int, sentinel: str, time: float | None, channel: str, payload: str
    ) -> None:
        self.session += self.starting
        self.starting = False
        self.forms[form] += 1
        when = self.times[at] if time is None else time
        self.said.append(Said(sentinel, when, channel, payload, self.numbers[at], self.session))

    def _skip(self, at: int, reason: str) -> None:
        self.skipped += 1
        if len(self.skips) < SKIPS_KEPT:
            self.skips.append(Skipped(self.numbers[at], reason))
