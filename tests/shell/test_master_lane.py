"""One master's servers stay where the belief wants them: holds end, errors and drift are put right, the newest wins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from switchmaster.follow.gate import NO_REPLICAS, GateState, Phase, WaitLimits
from switchmaster.model import Address
from switchmaster.net.haproxy_runtime import ServerMode, ServerRow
from switchmaster.proxy import master_lane
from switchmaster.proxy.haproxy_config import names_of
from switchmaster.proxy.master_lane import MasterLane
from switchmaster.proxy.node_places import NodePlaces

LIMIT = 60.0
NAMES = names_of("m")
A, B = Address("10.0.0.1", 1), Address("10.0.0.2", 2)


class FakeHaproxy:
    """A HAProxy that carries commands out on rows, and fails as often as it is told to."""

    def __init__(self) -> None:
        self.rows = {
            (NAMES.believed, "slot"): ServerRow(NAMES.believed, "slot", A, True, ServerMode.READY),
            (NAMES.believed, "wall"): ServerRow(NAMES.believed, "wall", None, True, ServerMode.READY),
        }
        self.failures = 0
        self.forgotten: tuple[str, ...] = ()
        self.commands: list[str] = []

    async def ask(self, *commands: str) -> str:
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise ConnectionRefusedError("gone")
        for command in commands:
            self.commands.append(command)
            words = command.split()
            if words[0] == "set":
                backend, _, server = words[2].partition("/")
                row = self.rows[backend, server]
                if words[3] == "addr":
                    row = replace(row, address=Address(words[4], int(words[6])))
                elif words[3] == "state":
                    row = replace(row, mode=ServerMode(words[4]))
                self.rows[backend, server] = row
        return ""

    async def sessions_on(self, backend: str, server: str) -> tuple[str, ...]:
        assert (backend, server) == (NAMES.believed, "slot")
        # The server takes nothing meanwhile: what is found is old.
        assert self.slot.mode is ServerMode.MAINT
        return self.forgotten

    async def servers(self, backend: str) -> tuple[ServerRow, ...]:
        await asyncio.sleep(0)
        return tuple(row for row in self.rows.values() if row.backend == backend)

    @property
    def slot(self) -> ServerRow:
        return self.rows[NAMES.believed, "slot"]


class Scene:
    """A lane with a fake HAProxy, whose belief is set directly."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, limits: WaitLimits | None = None) -> None:
        self.haproxy, self.moves, self.cuts = FakeHaproxy(), [], 0
        monkeypatch.setattr(master_lane, "phase_of", lambda state: state.phase)
        monkeypatch.setattr(master_lane, "replicas_of", lambda state, before: NO_REPLICAS)
        places = NodePlaces(lambda address: address)
        runtime: Any = self.haproxy
        self.lane = MasterLane(
            "m", runtime, places, limits or WaitLimits(), self._cut, lambda *move: self.moves.append(move)
        )

    async def _cut(self) -> None:
        self.cuts += 1

    def believe(self, gate: GateState, at: Address | None) -> None:
        now = asyncio.get_running_loop().time()
        phase = Phase(gate, at, now)
        state: Any = SimpleNamespace(phase=phase, address=at, listed=frozenset())
        self.lane.look(state)

    def check(self) -> bool:
        return self.lane.check(tuple(self.haproxy.rows.values()), self.lane.attempts)

    async def lead_to_a(self) -> None:
        """Start, and wait until HAProxy leads to A."""
        self.lane.start()
        self.believe(GateState.OPEN, A)
        self.check()
        await until(lambda: self.lane.in_sync)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(LIMIT):
            await test()

    asyncio.run(limited())


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def test_a_move_is_carried_out_read_back_and_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        scene = Scene(monkeypatch)
        await scene.lead_to_a()
        assert scene.haproxy.commands == []
        scene.haproxy.failures, scene.haproxy.forgotten = 3, ("0xab", "0xcd")
        scene.believe(GateState.OPEN, B)
        await until(lambda: scene.moves)
        sent = scene.haproxy.commands
        last = max(sent.index(f"shutdown session {one}") for one in scene.haproxy.forgotten)
        assert last < sent.index("set server b-n-m/slot addr 10.0.0.2 port 2")
        assert scene.haproxy.slot == ServerRow(NAMES.believed, "slot", B, True, ServerMode.READY)
        assert (scene.moves, scene.cuts) == ([("m", A, B)], 1)
        assert scene.check()
        await scene.lane.close()

    run(test)


def test_a_hold_ends_by_itself_and_the_old_master_is_served_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        scene = Scene(monkeypatch, WaitLimits(hold=0.3))
        await scene.lead_to_a()
        while "shutdown sessions server b-n-m/slot" not in scene.haproxy.commands:
            scene.believe(GateState.HELD, A)  # again, where the machine was later than the hold is long
            await asyncio.sleep(0.01)
        await until(lambda: scene.haproxy.slot.mode is ServerMode.READY)
        assert (scene.haproxy.slot.address, scene.moves) == (A, [])
        assert scene.lane.holds >= 1
        await scene.lane.close()

    run(test)


def test_connections_wait_for_a_master_that_refuses_them_until_it_returns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        scene = Scene(monkeypatch, WaitLimits(failover_wait=LIMIT))
        await scene.lead_to_a()
        scene.lane.refuse(B, True)
        assert not scene.lane.held
        for _ in range(2):
            scene.lane.refuse(A, True)
        await until(lambda: scene.haproxy.slot.mode is ServerMode.MAINT and scene.lane.in_sync)
        # The Sentinels agree meanwhile: nothing changes for those that wait.
        scene.believe(GateState.FAILING, A)
        scene.believe(GateState.OPEN, A)
        assert (scene.lane.held, scene.lane.holds) == (True, 1)
        scene.lane.refuse(A, False)
        await until(lambda: scene.haproxy.slot.mode is ServerMode.READY)
        assert (scene.haproxy.slot.address, scene.moves) == (A, [])
        await scene.lane.close()

    run(test)


def test_connections_that_wait_for_a_dead_master_are_led_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        scene = Scene(monkeypatch, WaitLimits(failover_wait=LIMIT))
        await scene.lead_to_a()
        scene.lane.refuse(A, True)
        await until(lambda: scene.haproxy.slot.mode is ServerMode.MAINT)
        scene.believe(GateState.OPEN, B)
        await until(lambda: scene.moves)
        assert scene.haproxy.slot == ServerRow(NAMES.believed, "slot", B, True, ServerMode.READY)
        # What was said of the old master no longer counts.
        scene.lane.refuse(A, True)
        assert not scene.lane.held
        await scene.lane.close()

    run(test)


def test_a_master_that_goes_on_to_refuse_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        scene = Scene(monkeypatch, WaitLimits(failover_wait=0.3))
        await scene.lead_to_a()
        scene.lane.refuse(A, True)
        await until(lambda: not scene.lane.held)
        await until(lambda: scene.haproxy.slot.mode is ServerMode.READY and scene.lane.in_sync)
        scene.lane.refuse(A, True)
        assert (scene.lane.held, scene.lane.holds) == (False, 1)
        scene.lane.refuse(A, False)
        scene.lane.refuse(A, True)
        assert scene.lane.holds == 2
        await scene.lane.close()

    run(test)


def test_without_a_hold_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        scene = Scene(monkeypatch, WaitLimits(hold=0.0))
        scene.believe(GateState.HELD, A)
        assert scene.lane.wanted().served

    run(test)


def test_what_somebody_else_changed_is_put_right(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        scene = Scene(monkeypatch)
        await scene.lead_to_a()
        scene.haproxy.rows[NAMES.believed, "slot"] = replace(scene.haproxy.slot, address=B, mode=ServerMode.DRAIN)
        assert not scene.check()
        await until(lambda: scene.haproxy.slot.address == A and scene.haproxy.slot.mode is ServerMode.READY)
        assert scene.moves == []
        await scene.lane.close()

    run(test)


def test_while_haproxy_starts_nothing_is_sent_and_the_newest_belief_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        scene = Scene(monkeypatch)
        scene.lane.start()
        scene.believe(GateState.OPEN, A)
        scene.believe(GateState.FAILING, A)
        await asyncio.sleep(0)
        scene.believe(GateState.OPEN, B)
        assert scene.haproxy.commands == []
        scene.check()
        await until(lambda: scene.lane.in_sync)
        assert scene.haproxy.slot.address == B
        scene.lane.pause()
        scene.believe(GateState.OPEN, A)
        for _ in range(20):
            await asyncio.sleep(0)
        assert scene.haproxy.slot.address == B
        scene.check()
        await until(lambda: scene.haproxy.slot.address == A)
        await scene.lane.close()

    run(test)


def test_what_was_read_while_commands_were_under_way_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        scene = Scene(monkeypatch)
        await scene.lead_to_a()
        old, attempts = tuple(scene.haproxy.rows.values()), scene.lane.attempts
        scene.believe(GateState.OPEN, B)
        await until(lambda: scene.moves)
        sent = len(scene.haproxy.commands)
        assert scene.lane.check(old, attempts)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(scene.haproxy.commands) == sent
        await scene.lane.close()

    run(test)
