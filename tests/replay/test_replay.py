"""
Golden transcripts: the decisions on each recording, and the words for its failovers.

Each file in `transcripts/` opens with the rule that it proves, names its input, and after ``----`` has the output.
`pytest tests/replay --rewrite` writes that part again; then look at the difference.

Input: ``capture NAME [NAME…] [sentinels=PORT,…] [from=STEP] [until=STEP]``, where a name is a recording or a file
of text, and a step is the first word of a line of its ``.steps.jsonl``. Times are seconds since the first event.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recorded.recordings import NAMES, said_in, time_of_step
from switchmaster.account.replay import replay
from switchmaster.account.transcript import Said
from switchmaster.belief.decisions import Notice, Switch
from switchmaster.belief.failover import Failover, StageEntry
from switchmaster.belief.topology import MasterState, Topology
from switchmaster.belief.watch import Watch
from switchmaster.model import Grade

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


def said_by(line: str) -> list[Said]:
    words = line.split()[1:]
    names = [word for word in words if "=" not in word]
    options = dict(word.split("=", 1) for word in words if "=" in word)
    said = said_in(names)
    if "sentinels" in options:
        ports = options["sentinels"].split(",")
        said = [each for each in said if each.sentinel.rpartition(":")[2] in ports]
    if "from" in options:
        start = time_of_step(names[0], options["from"])
        said = [each for each in said if each.time is not None and each.time >= start]
    if "until" in options:
        end = time_of_step(names[0], options["until"])
        said = [each for each in said if each.time is not None and each.time < end]
    assert said, f"nothing is left of {line!r}"
    return said


def told(said: list[Said]) -> Iterator[str]:
    watch = Watch(policy=Grade.ANNOUNCED, probing=False, asking=False)
    start = next((each.time for each in said if each.time is not None), 0.0)
    for value in replay(said, watch=watch):
        if isinstance(value, Failover):
            yield from told_failover(value, start)
        else:
            yield told_decision(value, start)
    yield from told_topology(watch.topology)


def told_time(time: float | None, start: float) -> str:
    return "       -" if time is None else f"{time - start:8.3f}"


def told_decision(value: Switch | Notice, start: float) -> str:
    when = told_time(value.time, start)
    if isinstance(value, Notice):
        return f"{when} notice {value.kind} {value.master}: {value.text}"
    return (
        f"{when} switch {value.master} {value.old} -> {value.new} epoch {value.epoch} incarnation {value.incarnation} "
        f"{value.grade} {value.cause} via {value.via}: {value.why}"
    )


def told_failover(record: Failover, start: float) -> Iterator[str]:
    first = record.stages[0].time if record.stages else None
    why = f": {record.reason}" if record.reason else ""
    yield (
        f"{told_time(first, start)} failover {record.master} #{record.number} {record.kind} {record.outcome} "
        f"{record.old} -> {record.new} epoch {record.epoch} leader {record.leader} "
        f"candidates {' '.join(record.candidates) or '-'} votes {len(record.votes)}{why}"
    )
    for entry in record.stages:
        yield told_stage(entry, first)


def told_stage(entry: StageEntry, first: float | None) -> str:
    elapsed = f"+{entry.time - first:.3f}" if entry.time is not None and first is not None else "-"
    also = f" also {' '.join(entry.also)}" if entry.also else ""
    replica = f" {entry.replica}" if entry.replica else ""
    return f"           {elapsed:>8} {entry.stage}{replica} ({entry.sentinel} {entry.by}{also})"


def told_topology(topology: Topology) -> Iterator[str]:
    for _, state in sorted(topology.masters.items()):
        yield from told_master(state)
    yield f"final Sentinels {' '.join(sorted(topology.sentinels))}"


def told_master(state: MasterState) -> Iterator[str]:
    yield (
        f"final {state.name} at {state.address} epoch {state.epoch} incarnation {state.incarnation} "
        f"{state.grade} {state.health}"
    )
    for row in state.replicas:
        yield f"    replica {row.address}{' down by ' + ' '.join(row.down_by) if row.down_by else ''}"
    for opinion in state.disagreeing:
        yield f"    {opinion.sentinel} gives {opinion.address}"


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_replay_matches_the_golden_transcript(path: Path, request: pytest.FixtureRequest) -> None:
    opening, _, golden = path.read_text(encoding="utf-8").partition("\n----\n")
    assert opening.startswith("# "), f"{path.name} does not open with the rule that it proves"
    actual = ""
    for line in opening.splitlines():
        if line.startswith("capture "):
            actual += f"{line}\n" + "".join(f"{row}\n".replace("127.0.0.1:", ":") for row in told(said_by(line)))
    assert actual, f"{path.name} names no capture"
    if request.config.getoption("--rewrite", default=False):
        path.write_text(f"{opening}\n----\n{actual}", encoding="utf-8")
        golden = actual
    assert actual == golden


def test_golden_transcripts_cover_every_recording() -> None:
    inputs = [line for path in TRANSCRIPTS for line in path.read_text(encoding="utf-8").splitlines()]
    whole = {
        word for line in inputs if line.startswith("capture ") for word in line.split()[1:2] if "from=" not in line
    }
    assert whole >= set(NAMES)
