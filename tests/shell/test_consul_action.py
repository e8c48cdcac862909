"""The consul action against a simulated API: one transaction for key and service, which compares."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rig.reactions import HOSTILE, NODES, follow_two_switches, run, wish
from rig.simulated_apis import TOKEN, SimulatedConsul, simulated
from switchmaster.journal.reaction_rows import RunCause
from switchmaster.react.action_kinds import AttemptFailed, GiveUp
from switchmaster.react.consul_action import ConsulAction
from switchmaster.react.http_target import HttpTarget


@pytest.fixture
def consul() -> Iterator[SimulatedConsul]:
    with simulated(SimulatedConsul) as api:
        yield api


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    return str(file)


def of(consul: SimulatedConsul, token_file: str, **more: Any) -> ConsulAction:
    given = {"key": "kv/{deployment}/{master}", "service": "redis-{master}", "tags": ("master",)}
    return ConsulAction(**{"target": HttpTarget((consul.url,)), "token_file": token_file, **given, **more})


def applied(action: ConsulAction, number: int, master: str = "m1", **more: Any) -> str:
    return asyncio.run(action.apply(wish(number, master), replace(run(), **more)))


def compared(action: ConsulAction, number: int) -> str:
    return asyncio.run(action.compare(wish(number), run()))


def test_key_and_service_follow_a_switch_together(consul: SimulatedConsul, token_file: str) -> None:
    action = of(consul, token_file)
    assert "nothing is there" in compared(action, 1)
    assert "service redis-m1 too" in applied(action, 1)
    assert json.loads(consul.keys["kv/kvdb/m1"][0])["host"] == "10.0.1.2"
    registered = {"ID": "redis-m1", "Service": "redis-m1", "Address": "10.0.1.2", "Port": 6379, "Tags": ["master"]}
    assert consul.services == {"redis-m1": registered}
    assert compared(action, 1) == ""
    assert "is right already" in applied(action, 1)
    assert "it shows 10.0.1.2:6379" in compared(action, 2)
    consul.services["redis-m1"]["Port"] = 1
    assert compared(action, 1) == "service redis-m1 shows 10.0.1.2:1"
    assert "written" in applied(action, 1)


def test_older_switch_never_follows_a_newer_one_unless_a_person_asks(
    consul: SimulatedConsul, token_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = of(consul, token_file)
    applied(action, 5)
    with pytest.raises(GiveUp, match="a newer switch is there already"):
        applied(action, 4)
    applied(action, 4, cause=RunCause.RUN)
    read, others = ConsulAction._read, [6]

    async def held_up(self: ConsulAction, *rest: Any) -> Any:
        found = await read(self, *rest)
        if others:
            await self.apply(wish(others.pop()), run())
        return found

    monkeypatch.setattr(ConsulAction, "_read", held_up)
    with pytest.raises(AttemptFailed, match=r"changed meanwhile.*index is stale"):
        applied(action, 5)
    assert consul.services["redis-m1"]["Address"] == NODES[6].host


def test_hostile_name_is_one_segment_of_its_key_and_no_service(consul: SimulatedConsul, token_file: str) -> None:
    applied(of(consul, token_file, service=None), 1, HOSTILE)
    applied(of(consul, token_file, service=None), 1, "../other?raw#x")
    assert {key.count("/") for key in consul.keys} == {2}
    assert "kv/kvdb/..%2Fother%3Fraw%23x" in consul.keys
    for name in ("..", "."):
        with pytest.raises(GiveUp, match="is no key"):
            applied(of(consul, token_file, service=None), 1, name)
    for name in (HOSTILE, "a.b", "x" * 64, "-", ""):
        with pytest.raises(GiveUp, match="no name of a service"):
            applied(of(consul, token_file), 1, f"{name}-")
    assert consul.services == {}


def test_target_is_tested_without_a_change_and_shows_no_token(
    consul: SimulatedConsul, token_file: str, tmp_path: Path
) -> None:
    action = of(consul, token_file)
    assert "nothing was written" in asyncio.run(action.test())
    assert consul.requests == []
    wrong = tmp_path / "wrong"
    wrong.write_text("wr0ng")
    for file, words in ((str(wrong), "403: Permission denied"), (str(tmp_path / "none"), "can't read")):
        with pytest.raises(AttemptFailed, match=words) as failed:
            asyncio.run(of(consul, file).test())
        assert "wr0ng" not in str(failed.value)
    assert TOKEN not in repr(action) + action.summary + action.plan(wish(1))


def test_newest_switch_comes_last_although_the_first_was_slow(
    consul: SimulatedConsul, token_file: str, tmp_path: Path
) -> None:
    assert follow_two_switches(tmp_path, of(consul, token_file)) == [(1, "superseded"), (2, "done")]
    assert consul.services["redis-m1"]["Address"] == NODES[2].host
