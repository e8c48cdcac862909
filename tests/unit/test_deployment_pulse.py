"""Which nodes a daemon measures, and when it keeps what it has measured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rig.guard_cases import A, B, C, state
from switchmaster.belief.topology import MasterState
from switchmaster.explain.pauses import Pauses, pauses_from_line
from switchmaster.model import Address
from switchmaster.server import deployment_pulse
from switchmaster.server.deployment_pulse import DeploymentPulse


class FakeTopology:
    deployment = "kvdb"


class FakeWatcher:
    """Believes in some masters."""

    topology = FakeTopology()

    def __init__(self, **states: MasterState) -> None:
        self.states = states

    def masters(self) -> list[str]:
        return list(self.states)

    def state(self, master: str) -> MasterState:
        return self.states[master]

    def node_target(self, node: Address, master: str) -> Any:
        raise AssertionError("nothing is dialled here")


class FakePulse:
    """Has always measured the same; nothing is dialled."""

    def __init__(self, dial: object, lateness: object, on_answer: Callable[[float], None]) -> None:
        on_answer(0.2)
        self.pauses = Pauses()
        self.closed = False
        self.pauses.add(0.2, 1_790_000_000.0, 1.0)

    def take(self) -> Pauses:
        taken, self.pauses = self.pauses, Pauses()
        return taken

    async def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment_pulse, "Pulse", FakePulse)


def measured(pulse: DeploymentPulse) -> set[tuple[str, Address]]:
    return set(pulse._pulses)


def test_listed_nodes_are_measured_and_kept_when_they_leave_and_at_the_end() -> None:
    async def run() -> None:
        lines: list[dict[str, Any]] = []
        whole = replace(state(), listed=frozenset({A, B}))  # no majority lists C
        watcher = FakeWatcher(mymaster=whole)
        pulse = DeploymentPulse(watcher, lines.append, wanted=True)  # type: ignore[arg-type]
        answers: list[tuple[str, float]] = []
        pulse.on_answer = lambda master, seconds: answers.append((master, seconds))
        pulse.beat()
        assert measured(pulse) == {("mymaster", A), ("mymaster", B)}
        assert answers == [("mymaster", 0.2)] * 2
        assert lines == []
        watcher.states["mymaster"] = replace(whole, listed=frozenset({A, C}))
        pulse.beat()
        assert measured(pulse) == {("mymaster", A), ("mymaster", C)}
        assert [line["node"] for line in lines] == [{"host": B.host, "port": B.port}]
        assert lines[0]["text"].endswith("its longest pause was 0.200 s")
        assert pauses_from_line(lines[0]).longest[0].seconds == 0.2
        await pulse.close()
        assert measured(pulse) == set()
        assert len(lines) == 3
        assert {line["type"] for line in lines} == {"pulse"}

    asyncio.run(run())


def test_nothing_is_measured_unless_it_is_wanted_and_a_reload_changes_that() -> None:
    async def run() -> None:
        lines: list[dict[str, Any]] = []
        watcher = FakeWatcher(mymaster=replace(state(), listed=frozenset({A, B, C})))
        pulse = DeploymentPulse(watcher, lines.append, wanted=False)  # type: ignore[arg-type]
        pulse.beat()
        assert measured(pulse) == set()
        pulse.wanted = True
        pulse.beat()
        assert len(measured(pulse)) == 3
        pulse.wanted = False
        pulse.beat()
        assert measured(pulse) == set()
        assert len(lines) == 3
        await pulse.close()

    asyncio.run(run())


def test_number_of_measured_nodes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment_pulse, "NODES", 4)

    async def run() -> None:
        whole = replace(state(), listed=frozenset({A, B, C}))
        pulse = DeploymentPulse(FakeWatcher(one=whole, two=whole), lambda line: None, wanted=True)  # type: ignore[arg-type]
        pulse.beat()
        assert {master for master, _ in measured(pulse)} == {"one"}
        await pulse.close()

    asyncio.run(run())


def test_each_hour_becomes_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment_pulse, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(deployment_pulse, "KEPT_SECONDS", 0.0)

    async def run() -> None:
        lines: list[dict[str, Any]] = []
        watcher = FakeWatcher(mymaster=replace(state(), listed=frozenset({A})))
        pulse = DeploymentPulse(watcher, lines.append, wanted=True)  # type: ignore[arg-type]
        pulse.beat()
        assert len(lines) == 1
        pulse.beat()
        assert len(lines) == 1  # nothing new was measured
        await pulse.close()

    asyncio.run(run())
