"""Actions that talk to real servers: clients are cut off, entries are added once, and names are data."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig.lab_fixtures import find_or_skip
from rig.reactions import HOSTILE, NODES, follow_two_switches, run, wish
from switchmaster.lab import Lab
from switchmaster.lab.lab_client import ServerSilent
from switchmaster.model import Address
from switchmaster.react.action_kinds import AttemptFailed, GiveUp
from switchmaster.react.cut_action import CutAction
from switchmaster.react.server_access import ActionLogin
from switchmaster.react.stream_action import StreamAction

pytestmark = pytest.mark.live

NOBODY_THERE = Address("127.0.0.1", 1)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:

    find_or_skip(None)
    with Lab(replicas=1, sentinels=1, password="s3cret") as lab:
        yield lab


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    return str(file)


def place(lab: Lab) -> Address:
    return Address(*lab.master().address)


def stream(lab: Lab, password_file: str, **more: Any) -> StreamAction:
    given = {"key": "switches", "channel": "", "max_length": 100}
    return StreamAction(place(lab), ActionLogin(None, password_file), **{**given, **more})


def test_clients_of_the_old_master_are_cut_off_and_its_replica_is_not(lab: Lab, password_file: str) -> None:
    action = CutAction(ActionLogin(None, password_file))
    with lab.master().client() as client, lab.master().client() as subscriber:
        client.call("PING")
        subscriber.call("SUBSCRIBE", "news")
        said = asyncio.run(action.apply(wish(1, old=place(lab)), run()))
        # The Sentinel's own connections are among them; it connects again at once.
        assert "subscribers" in said
        for one in (client, subscriber):
            with pytest.raises(ServerSilent):
                one.call("PING")
    assert "slave0" in lab.master().call("INFO", "replication")


def test_node_that_is_gone_has_no_clients(password_file: str) -> None:
    action = CutAction(ActionLogin(None, password_file))
    assert "it has no clients" in asyncio.run(action.apply(wish(1, old=NOBODY_THERE), run()))
    assert "nothing to disconnect" in asyncio.run(action.apply(wish(1, old=None), run()))


def test_user_without_the_right_is_given_up(lab: Lab, password_file: str, tmp_path: Path) -> None:
    lab.master().call("ACL", "SETUSER", "weak", "on", ">weak", "+client|setname", "+ping")
    weak = tmp_path / "weak"
    weak.write_text("weak")
    with pytest.raises(GiveUp, match="refuses CLIENT"):
        asyncio.run(CutAction(ActionLogin("weak", str(weak))).apply(wish(1, old=place(lab)), run()))
    weak.write_text("wrong")
    with pytest.raises(AttemptFailed):
        asyncio.run(CutAction(ActionLogin("weak", str(weak))).apply(wish(1, old=place(lab)), run()))


def test_switch_is_added_and_published_once_however_often_it_is_tried(lab: Lab, password_file: str) -> None:
    action = stream(lab, password_file, channel="news")
    of = wish(1, HOSTILE)
    with lab.master().client() as subscriber:
        subscriber.call("SUBSCRIBE", "news")
        assert [asyncio.run(action.apply(of, run(number))) for number in (1, 2)] == ["added", "it is there already"]
        asyncio.run(action.apply(wish(2), run()))
        heard = [json.loads(subscriber.receive()[2]) for _ in range(2)]
    entries = lab.master().call("XRANGE", "switches", "-", "+")
    kept = [dict(zip(fields[::2], fields[1::2], strict=True)) for _, fields in entries]
    lines = [json.loads(one.get("switch", one.get(b"switch"))) for one in kept]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert lines == heard
    assert lines[0]["master"] == HOSTILE
    assert lines[0]["delivery"] == of.delivery


def test_server_that_is_away_is_tried_again(lab: Lab, password_file: str) -> None:
    away = StreamAction(NOBODY_THERE, ActionLogin(), "switches", "", 100)
    for work in (away.apply(wish(), run()), away.test()):
        with pytest.raises(AttemptFailed, match="connection refused"):
            asyncio.run(work)
    assert "nothing was added" in asyncio.run(stream(lab, password_file).test())
    assert "can be read" in asyncio.run(CutAction(ActionLogin(None, password_file)).test())


def test_newest_switch_comes_last_although_the_first_was_slow(lab: Lab, password_file: str, tmp_path: Path) -> None:
    action = stream(lab, password_file, key="ordered")
    assert follow_two_switches(tmp_path, action, every=True) == [(1, "done"), (2, "done")]
    found = lab.master().call("XRANGE", "ordered", "-", "+")
    kept = [dict(zip(fields[::2], fields[1::2], strict=True)) for _, fields in found]
    assert [json.loads(one.get("switch", one.get(b"switch")))["epoch"] for one in kept] == [1, 2]


def test_clients_are_cut_off_for_each_switch_in_order(lab: Lab, password_file: str, tmp_path: Path) -> None:
    asked: list[Address] = []

    class AskedLogin(ActionLogin):
        """The lab's server stands for every old master."""

        async def ask(self, address: Address, *commands: tuple[str, ...]) -> list[Any]:
            asked.append(address)
            return await super().ask(place(lab), *commands)

    action = CutAction(AskedLogin(None, password_file))
    assert follow_two_switches(tmp_path, action, every=True) == [(1, "done"), (2, "done")]
    assert asked == [NODES[0], NODES[1]]
