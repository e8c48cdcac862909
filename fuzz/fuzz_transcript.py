"""Reading any file raises nothing, and every message found is at the reported place."""

from __future__ import annotations

from drive import Target, main
from seeds import transcripts
from switchmaster.account.transcript import SKIPS_KEPT, Transcript, merge, read_transcript


def check(data: bytes) -> None:
    """Take the bytes of a file."""
    read = read_transcript(data, "file")
    lines = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff").split("\n")
    places = [said.line for said in read.said]
    assert places == sorted(set(places)), "two messages begin in one line, or one before another"
    assert all(1 <= line <= len(lines) for line in [*places, *(skip.line for skip in read.skips)])
    assert len(read.skips) == min(read.skipped, SKIPS_KEPT)
    assert (read.form == "none") == (not read.said)
    sessions = [said.session for said in read.said]
    assert set(sessions) == set(range(1, read.sessions + 1)), "a subscription was counted that heard nothing"
    check_merge(read, read_transcript(data[len(data) // 2 :], "other"))


def check_merge(one: Transcript, other: Transcript) -> None:
    """Check that two files give all their messages, each once."""
    merged = merge([one, other])
    found = sorted((said.channel, said.payload, said.line) for said in merged)
    assert found == sorted((said.channel, said.payload, said.line) for said in (*one.said, *other.said))
    times = [said.time for said in merged if said.time is not None]
    assert times == sorted(times)
    assert all(said.time is not None for said in merged[: len(times)])


def seeds() -> tuple[bytes, ...]:
    """Return recordings in the three forms, and an operator's notes."""
    return transcripts()


TARGET = Target(check, seeds, examples=400)

if __name__ == "__main__":
    main(TARGET, "transcript")
