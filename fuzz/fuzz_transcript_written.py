"""Messages read from a transcript and written again, as our lines or as redis-cli shows them, are read the same."""

from __future__ import annotations

from collections.abc import Iterable

from drive import Target, main
from seeds import transcripts
from switchmaster.account.transcript import Said, read_transcript
from switchmaster.account.transcript_lines import LINE_MAX, encoded
from switchmaster.render import event_line, to_json
from switchmaster.wire.grammar import parse_event

ESCAPES = {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t", 7: "\\a", 8: "\\b", ord("\\"): "\\\\", ord('"'): '\\"'}


def check(data: bytes) -> None:
    """Take the bytes of a file; what can be read in it is what is written."""
    said = [one for one in read_transcript(data, "file").said if len(one.payload) < LINE_MAX // 8]
    lines = [to_json(recorded_line(one)) for one in said]
    again = read_transcript("\n".join(lines), "file").said
    assert told(again) == told(said), "read otherwise from recorded lines"
    assert [one.time for one in again] == [one.time for one in said]
    # Our event lines mask passwords, cut unrecognised payloads, and keep microseconds.
    ours = [to_json(event_line(one.sentinel, parse_event(one.channel, one.payload), one.time)) for one in said]
    assert len(read_transcript("\n".join(ours), "file").said) == len(said)
    # redis-cli shows bytes, so text that cannot be bytes cannot have come from it.
    shown = [one for one in said if was_bytes(one.channel) and was_bytes(one.payload)]
    again = read_transcript("\n".join(terminal_lines(shown)), "file").said
    assert [(one.channel, one.payload) for one in again] == [(one.channel, one.payload) for one in shown]


def was_bytes(text: str) -> bool:
    """Return whether a text can have been bytes: JSON can name halves of characters, which redis-cli can't show."""
    return encoded(text).decode("utf-8", "surrogateescape") == text


def told(said: Iterable[Said]) -> list[tuple[str, str, str]]:
    """Return a message without its place."""
    return [(one.sentinel, one.channel, one.payload) for one in said]


def recorded_line(said: Said) -> dict[str, object]:
    """Return the line in the format of recordings."""
    return {"ts": said.time, "sentinel": said.sentinel, "channel": said.channel, "payload": said.payload}


def terminal_lines(said: Iterable[Said]) -> list[str]:
    """Return frames as redis-cli shows them on a terminal (sdscatrepr() in sds.c)."""
    lines = []
    for one in said:
        words = ("pmessage", "*", one.channel, one.payload)
        lines += [f'{place}) "{quoted(encoded(word))}"' for place, word in enumerate(words, 1)]
    return lines


def quoted(text: bytes) -> str:
    """Return bytes as redis-cli quotes them."""
    return "".join(ESCAPES.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in text)


def seeds() -> tuple[bytes, ...]:
    """Return recordings in the three forms, and an operator's notes."""
    return transcripts()


TARGET = Target(check, seeds, examples=300)

if __name__ == "__main__":
    main(TARGET, "transcript_written")
