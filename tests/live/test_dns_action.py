"""The dns action against a real BIND: signed updates, no older over newer, and no name that reaches another record."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dns.update
import pytest

from rig.named import OTHER_KEY, ZONE, Named, running_named
from rig.reactions import HOSTILE, NODES, follow_two_switches, run, wish
from switchmaster.journal.reaction_rows import RunCause
from switchmaster.model import Address
from switchmaster.react.action_kinds import AttemptFailed, GiveUp
from switchmaster.react.dns_action import DnsAction

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Named]:
    with running_named(tmp_path_factory.mktemp("named")) as server:
        yield server


def of(named: Named, **more: Any) -> DnsAction:
    given = {"srv": f"_redis._tcp.{{master}}.{ZONE}", "ttl": 7, "key_file": str(named.key_file)}
    return DnsAction(**{"server": named.address, "zone": ZONE, "name": f"{{master}}.{ZONE}", **given, **more})


def applied(action: DnsAction, number: int, master: str, **more: Any) -> str:
    return asyncio.run(action.apply(wish(number, master, **more), run()))


def compared(action: DnsAction, number: int, master: str) -> str:
    return asyncio.run(action.compare(wish(number, master), run()))


def test_records_follow_a_switch_and_are_read_back(named: Named) -> None:
    action = of(named)
    assert "shows nothing" in compared(action, 1, "m1")
    assert "written" in applied(action, 1, "m1")
    assert named.records(f"m1.{ZONE}", "A") == ["10.0.1.2"]
    assert named.records(f"_redis._tcp.m1.{ZONE}", "SRV") == [f"0 0 6379 m1.{ZONE}."]
    assert compared(action, 1, "m1") == ""
    assert "is right already" in applied(action, 1, "m1")
    assert "shows A 10.0.1.2" in compared(action, 2, "m1")
    assert "written" in applied(action, 2, "m1")
    assert named.records(f"m1.{ZONE}", "A") == ["10.0.1.3"]


def test_record_changes_its_type_with_what_sentinel_announces(named: Named) -> None:
    action = of(named)
    for number, (host, kind, shown) in enumerate(
        [("fd00::6", "AAAA", "fd00::6"), ("node-1.example", "CNAME", "node-1.example."), ("10.9.9.9", "A", "10.9.9.9")]
    ):
        applied(action, number + 1, "kinds", new=Address(host, 6380))
        assert named.records(f"kinds.{ZONE}", kind)[0] == shown
    assert named.records(f"kinds.{ZONE}", "AAAA") == []
    applied(action, 9, "kinds", new=Address("node-1.example", 6380))
    assert named.records(f"_redis._tcp.kinds.{ZONE}", "SRV") == ["0 0 6380 node-1.example."]


def test_update_whose_records_were_changed_meanwhile_changes_nothing(
    named: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = of(named)
    applied(action, 1, "raced")
    ask, others = DnsAction._ask, [3]

    async def held_up(self: DnsAction, message: Any) -> Any:
        if isinstance(message, dns.update.UpdateMessage) and others:
            await self.apply(wish(others.pop(), "raced"), run())
        return await ask(self, message)

    monkeypatch.setattr(DnsAction, "_ask", held_up)
    with pytest.raises(AttemptFailed, match="changed meanwhile"):
        applied(action, 2, "raced")
    assert named.records(f"raced.{ZONE}", "A") == ["10.0.1.4"]


def test_wrong_key_zone_or_server_is_tried_again(named: Named, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text(OTHER_KEY)
    for action, words in (
        (of(named, key_file=str(other)), "refuses the key"),
        (of(named, key_file=None), "REFUSED"),
        (of(named, key_file=str(tmp_path / "none")), "can't read"),
        (of(named, zone="other.example", name="{master}.other.example", srv=None), "REFUSED"),
        (of(named, server=Address("127.0.0.1", 1)), "Connect call failed"),
    ):
        with pytest.raises(AttemptFailed, match=words):
            applied(action, 1, "refused")
        with pytest.raises(AttemptFailed):
            asyncio.run(action.test())
        assert "c3dp" not in repr(action) + action.summary
    assert named.records(f"refused.{ZONE}", "A") == []


def test_target_is_tested_without_a_change(named: Named) -> None:
    serial = named.records(ZONE, "SOA")
    assert "nothing was changed" in asyncio.run(of(named).test())
    assert named.records(ZONE, "SOA") == serial


@pytest.mark.parametrize("master", [HOSTILE, "a.b", "*", "", "-x", "x\\046y", "@", "x" * 64, "x 60 IN A 6.6.6.6"])
def test_name_that_is_no_label_reaches_no_record(named: Named, master: str) -> None:
    serial = named.records(ZONE, "SOA")
    with pytest.raises(GiveUp, match="no label"):
        applied(of(named), 1, master)
    for host in (HOSTILE, "evil\\.example", "a..b", "10.0.0.1 A", ""):
        with pytest.raises(GiveUp, match="neither an address"):
            applied(of(named), 1, "m9", new=Address(host, 1))
    assert named.records(ZONE, "SOA") == serial


def test_person_can_have_it_written_again(named: Named) -> None:
    applied(of(named), 1, "again")
    asked = replace(run(), cause=RunCause.RUN)
    assert "written" in asyncio.run(of(named, ttl=9).apply(wish(1, "again"), asked))


def test_newest_switch_comes_last_although_the_first_was_slow(named: Named, tmp_path: Path) -> None:
    action = of(named, name=f"last-{{master}}.{ZONE}")
    assert follow_two_switches(tmp_path, action) == [(1, "superseded"), (2, "done")]
    assert named.records(f"last-m1.{ZONE}", "A") == [NODES[2].host]
