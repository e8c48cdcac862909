"""
Where a client's commands may go, in every recording: `gates.txt` is golden; `--rewrite` writes it again.

It proves: while the master is agreed to be down, commands wait (``failing``) until another one is known or the
attempt ends; a planned failover lets them flow until a replica is selected (``held``); an abort opens the way back.
In a coordinated one they are held at the new master until its leader has ended the connections there.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from recorded.recordings import NAMES, said_in
from switchmaster.belief.watch import Watch
from switchmaster.follow.gate import UNKNOWN, GateState, Phase, phase_of, replicas_of
from switchmaster.model import Grade, Moment, SentinelName
from switchmaster.wire.grammar import parse_event

GOLDEN = Path(__file__).parent / "gates.txt"


def watched(name: str) -> Iterator[tuple[float, str, Watch]]:
    """Feed a Watch a recording; yield the time since its beginning, the channel, and the Watch after each event."""
    watch = Watch(policy=Grade.ANNOUNCED, probing=False, asking=False)
    start: float | None = None
    for said in said_in([name]):
        assert said.time is not None
        start = said.time if start is None else start
        watch.tick(Moment(said.time, said.time))
        event = parse_event(said.channel, said.payload)
        watch.observe(SentinelName(said.sentinel), event, Moment(said.time, said.time))
        watch.decisions()
        yield said.time - start, said.channel, watch


def phases(name: str, master: str) -> Iterator[tuple[float, str, Phase]]:
    """Yield the phases of a master, each when it differs from the last."""
    last = UNKNOWN
    for time, channel, watch in watched(name):
        phase = phase_of(watch.state(master))
        if (phase.gate, phase.address) != (last.gate, last.address):
            yield time, channel, phase
        last = phase


def told(name: str) -> Iterator[str]:
    yield f"capture {name}"
    for time, channel, phase in phases(name, "mymaster"):
        yield f"{time:8.3f} {phase.gate.value:8} {phase.address} {channel}"


def test_gates_of_all_recordings_match_the_golden_transcript(request: pytest.FixtureRequest) -> None:
    lines = "\n".join(line for name in NAMES for line in (*told(name), "")) + "\n"
    if request.config.getoption("--rewrite"):
        GOLDEN.write_text(lines, encoding="utf-8")
    assert GOLDEN.read_text(encoding="utf-8") == lines


@pytest.mark.parametrize("name", NAMES)
def test_commands_wait_at_one_address_and_go_on_at_the_next_or_the_same(name: str) -> None:
    seen = [phase for _, _, phase in phases(name, "mymaster")]
    for before, after in pairwise(seen):
        if before.gate is GateState.OPEN:
            assert before.address == after.address or after.gate is GateState.OPEN
        else:
            moved_on = after.gate is GateState.HELD and before.address != after.address
            assert after.gate in (GateState.OPEN, GateState.FAILING) or moved_on
    assert any(phase.gate is not GateState.OPEN for phase in seen)


@pytest.mark.parametrize("name", NAMES)
def test_replicas_never_include_the_master_or_the_next_one(name: str) -> None:
    before = replicas_of(None)
    for _, _, watch in watched(name):
        state = watch.state("mymaster")
        before = replicas_of(state, before)
        if state is None:
            continue
        assert state.address not in before.usable
        if state.failover is not None and not state.failover.closed:
            assert state.failover.new not in before.usable
