"""The etcd action against a real etcd: transactions that compare, users, and names that reach no other key."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rig.etcd import Etcd, running_etcd
from rig.reactions import HOSTILE, NODES, follow_two_switches, run, wish
from switchmaster.journal.reaction_rows import RunCause
from switchmaster.react.action_kinds import AttemptFailed, GiveUp
from switchmaster.react.etcd_action import EtcdAction
from switchmaster.react.http_target import HttpTarget

pytestmark = pytest.mark.live

DEAD = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    with running_etcd(tmp_path_factory.mktemp("etcd")) as server:
        yield server


def of(etcd: Etcd, *urls: str, **more: Any) -> EtcdAction:
    given = {"key": "/kv/{deployment}/{master}", "username": None, "password_file": None}
    return EtcdAction(**{"target": HttpTarget(urls or (etcd.url,)), **given, **more})


def applied(action: EtcdAction, number: int, master: str = "m1", **more: Any) -> str:
    return asyncio.run(action.apply(wish(number, master), replace(run(), **more)))


def kept(etcd: Etcd, key: str, token: str = "") -> Any:
    found = etcd.post("kv/range", {"key": base64.b64encode(key.encode()).decode()}, token).get("kvs")
    return json.loads(base64.b64decode(found[0]["value"])) if found else None


def test_key_follows_a_switch_and_is_read_back(etcd: Etcd) -> None:
    action = of(etcd)
    assert "nothing is there" in asyncio.run(action.compare(wish(1), run()))
    assert "written" in applied(action, 1)
    assert "is right already" in applied(action, 1)
    found = kept(etcd, "/kv/kvdb/m1")
    assert (found["host"], found["port"], found["epoch"]) == ("10.0.1.2", 6379, 1)
    assert asyncio.run(action.compare(wish(1), run())) == ""
    assert "it shows 10.0.1.2:6379" in asyncio.run(action.compare(wish(2), run()))


def test_older_switch_never_follows_a_newer_one_unless_a_person_asks(etcd: Etcd) -> None:
    action = of(etcd)
    applied(action, 5, "fenced")
    with pytest.raises(GiveUp, match="a newer switch is there already"):
        applied(action, 4, "fenced")
    assert kept(etcd, "/kv/kvdb/fenced")["epoch"] == 5
    applied(action, 4, "fenced", cause=RunCause.RUN)
    assert kept(etcd, "/kv/kvdb/fenced")["epoch"] == 4


def test_transaction_fails_if_the_key_was_changed_meanwhile(etcd: Etcd, monkeypatch: pytest.MonkeyPatch) -> None:
    action = of(etcd)
    ask, others = EtcdAction._post, [3]

    async def held_up(self: EtcdAction, path: str, *rest: Any) -> Any:
        if path == "kv/txn" and others:
            await self.apply(wish(others.pop(), "raced"), run())
        return await ask(self, path, *rest)

    monkeypatch.setattr(EtcdAction, "_post", held_up)
    with pytest.raises(AttemptFailed, match="changed meanwhile"):
        applied(action, 2, "raced")
    assert kept(etcd, "/kv/kvdb/raced")["epoch"] == 3


def test_next_endpoint_is_asked_if_one_does_not_answer(etcd: Etcd) -> None:
    assert "written" in applied(of(etcd, DEAD, etcd.url), 1, "cluster")
    with pytest.raises(AttemptFailed, match=r"127\.0\.0\.1:1: ConnectError"):
        applied(of(etcd, DEAD), 1)


def test_hostile_name_is_one_segment_of_its_key(etcd: Etcd) -> None:
    applied(of(etcd), 1, HOSTILE)
    applied(of(etcd), 1, "../other")
    every = etcd.post("kv/range", {"key": "AA==", "range_end": "AA==", "keys_only": True})["kvs"]
    keys = {base64.b64decode(one["key"]).decode("ascii") for one in every}
    assert {key.count("/") for key in keys} == {3}
    assert "/kv/kvdb/..%2Fother" in keys


def test_target_is_tested_without_a_change(etcd: Etcd) -> None:
    before = etcd.post("kv/range", {"key": "AA=="})["header"]["revision"]
    assert "nothing was written" in asyncio.run(of(etcd).test())
    assert etcd.post("kv/range", {"key": "AA=="})["header"]["revision"] == before


def test_newest_switch_comes_last_although_the_first_was_slow(etcd: Etcd, tmp_path: Path) -> None:
    action = of(etcd, key="/last/{master}")
    assert follow_two_switches(tmp_path, action) == [(1, "superseded"), (2, "done")]
    assert kept(etcd, "/last/m1")["host"] == NODES[2].host


def test_user_logs_in_with_each_attempt(etcd: Etcd, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("s3cret\n")
    for name, word in (("root", "r00t"), ("switchmaster", "s3cret")):
        etcd.post("auth/user/add", {"name": name, "password": word})
        etcd.post("auth/role/add", {"name": name})
        etcd.post("auth/user/grant", {"user": name, "role": name})
    encoded = [base64.b64encode(one).decode() for one in (b"/mine/", b"/mine0")]
    permission = {"permType": "READWRITE", "key": encoded[0], "range_end": encoded[1]}
    etcd.post("auth/role/grant", {"name": "switchmaster", "perm": permission})
    etcd.post("auth/enable", {})
    token = etcd.post("auth/authenticate", {"name": "root", "password": "r00t"})["token"]
    try:
        action = of(etcd, key="/mine/{master}", username="switchmaster", password_file=str(password))
        assert "written" in applied(action, 1)
        assert "nothing was written" in asyncio.run(action.test())
        for refused in (of(etcd), replace(action, key="/other/{master}")):
            with pytest.raises(AttemptFailed, match=r"user name is empty|permission denied"):
                applied(refused, 1)
        password.write_text("wr0ng\n")
        with pytest.raises(AttemptFailed, match="authentication failed") as failed:
            applied(action, 1)
        assert "wr0ng" not in str(failed.value) + repr(action)
    finally:
        etcd.post("auth/disable", {}, token)
