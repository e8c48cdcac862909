"""Reading any log files raises nothing, loses no event, and sorts everything by time."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from drive import Target, main
from seeds import CAPTURES
from switchmaster.account.annotations import Annotations, remark_record, remark_words
from switchmaster.account.logs import LogFile, LogReader, merge_logs
from switchmaster.account.logs.candidates import candidates
from switchmaster.account.logs.log_reader import read_line
from switchmaster.account.logs.messages import LoggedEvent
from switchmaster.account.record_lines import remark_to_line
from switchmaster.account.replay import replay
from switchmaster.account.story import Story, sentences
from switchmaster.belief.failover import Failover

LATEST = 1_796_000_000.0


def check(data: bytes) -> None:
    """Take the bytes of two files, separated by a line of dashes."""
    parts = data.split(b"\n----\n", 1)
    files = []
    for number, part in enumerate(parts):
        reader = LogReader(f"s{number}.log")
        reader.feed(part)
        assert reader.lines == part.count(b"\n") + (not part.endswith(b"\n"))
        files.append(LogFile(reader.name, reader.entries))
        check_candidates(part)
    logs = merge_logs(files, latest=LATEST)
    times = [said.time for said in logs.said]
    assert times == sorted(times, key=lambda time: time or 0.0)
    published = sum(isinstance(entry.said, LoggedEvent) for file in files for entry in file.entries)
    assert len(logs.said) + len(logs.unreadable) >= min(published, 1_000)
    annotations = Annotations(logs)
    records = [annotations.annotate(one) for one in replay(logs.said) if isinstance(one, Failover)]
    found, rest = annotations.assign(records)
    assert sum(map(len, found.values())) + len(rest) <= len(logs.noted)
    for noted in (*rest, *(one for several in found.values() for one in several)):
        remark_to_line(remark_record(noted))
        remark_words(noted, logs.run_ids)
    list(sentences(Story((), logs.said, rest, logs.run_ids)))


def check_candidates(part: bytes) -> None:
    """Check that no meaningful line of a large file is skipped."""
    found = {part[start:end] for start, end in candidates(part)}
    for line in part.split(b"\n"):
        if len(line) < 2_000 and not isinstance(
            read_line(1, line.decode("utf-8", "surrogateescape").rstrip("\r")), bool
        ):
            missed = line not in found
            # A line edited by hand (a tab, two spaces) is only sure to be read in a small file.
            assert not missed or not line.isascii() or b"  " in line or b"\t" in line or b"\\" in line, line


@cache
def seeds() -> tuple[bytes, ...]:
    """Return recorded logs of Sentinels and nodes, whole and in part."""
    logs = [path.read_bytes() for path in sorted((Path(CAPTURES).parent / "logs").glob("*.log"))]
    return (
        *logs,
        *(log[:2_000] for log in logs),
        *(b"\n----\n".join(logs[at : at + 2]) for at in range(0, len(logs), 2)),
    )


TARGET = Target(check, seeds, examples=300)

if __name__ == "__main__":
    main(TARGET, "logs")
