"""What nodes of each server say of themselves by INFO, as the guard reads it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from rig.guard_cases import A
from switchmaster.guard.node_info import NodeInfo, read_node_info
from switchmaster.model import LIMITS, Address
from switchmaster.wire.info import InfoReply, parse_info

RECORDED = Path(__file__).parents[1] / "recorded" / "node_info"
SERVERS = ("redis-6.2.14", "redis-7.0.15", "valkey-9.1.2")
LATER = SERVERS[1:]
"""Those that SHUTDOWN lets wait, and that answer INFO while they load with DEBUG RELOAD."""


def recorded(server: str, situation: str) -> NodeInfo:
    for line in (RECORDED / f"{server}.txt").read_text(encoding="utf-8").splitlines():
        name, arrow, text = line.partition(" => ")
        if arrow and name.startswith(f"{situation} | save "):
            return read(ast.literal_eval(text), ast.literal_eval(name.rpartition(" | save ")[2]))
    raise LookupError(situation)


def read(text: str, save: str | None = None) -> NodeInfo:
    info = parse_info(text.encode("utf-8", "surrogateescape"))
    assert isinstance(info, InfoReply)
    return read_node_info(A, info, save)


@pytest.mark.parametrize("server", SERVERS)
def test_master_tells_its_keys_its_offset_and_the_lag_of_each_replica(server: str) -> None:
    info = recorded(server, "master, with data")
    assert (info.role, info.keys, info.offset) == ("master", 52, 1988)
    assert (info.following, info.link_up) == (None, None)
    assert len(info.run_id) == 40
    assert info.process_id is not None
    assert info.port is not None
    assert {address.port: lag <= 1.0 for address, lag in info.lags.items()} == {
        info.port + 1: True,
        info.port + 2: True,
    }
    assert not info.loading
    assert not info.stopping


@pytest.mark.parametrize("server", SERVERS)
def test_replica_tells_whose_it_is_and_loses_its_link_when_the_master_dies(server: str) -> None:
    before, after = recorded(server, "replica, with data"), recorded(server, "replica, its master dead")
    assert before.following == after.following == Address("127.0.0.1", (before.port or 0) - 1)
    assert (before.role, before.link_up, after.link_up) == ("slave", True, False)
    assert (before.keys, before.offset, before.lags) == (52, 1988, {})
    assert after.offset is not None
    assert after.offset > 1988


@pytest.mark.parametrize("server", SERVERS)
def test_node_comes_back_empty_where_neither_aof_nor_rdb_is_kept(server: str) -> None:
    assert recorded(server, "master, empty").comes_back_empty is True
    assert recorded(server, "master, with AOF and RDB").comes_back_empty is False
    assert recorded(server, "master, empty").keys == 0


@pytest.mark.parametrize("server", SERVERS)
def test_restart_changes_the_run_id_of_a_node(server: str) -> None:
    before, after = (
        recorded(server, "master, with data"),
        recorded(server, "master, restarted with the RDB that it had written"),
    )
    assert before.run_id != after.run_id
    assert (after.role, after.lags) == ("master", {})


@pytest.mark.parametrize("server", LATER)
def test_node_that_loads_its_data_says_so(server: str) -> None:
    assert recorded(server, "master, loading").loading


@pytest.mark.parametrize("server", LATER)
def test_node_that_shuts_down_and_waits_for_its_replicas_says_so(server: str) -> None:
    assert recorded(server, "master, in SHUTDOWN").stopping


@pytest.mark.parametrize(
    ("appends", "save", "empty"),
    [
        ("0", "", True),
        ("0", "900 1", False),
        ("1", "", False),
        ("1", None, False),
        ("0", None, None),
        (None, "", None),
    ],
)
def test_nothing_is_concluded_from_settings_that_are_unknown(
    appends: str | None, save: str | None, empty: bool | None
) -> None:
    line = "" if appends is None else f"aof_enabled:{appends}\r\n"
    assert read(f"# Persistence\r\n{line}", save).comes_back_empty is empty


def test_info_without_the_sections_tells_nothing() -> None:
    info = read("# Server\r\n")
    assert (info.run_id, info.role, info.keys, info.offset, info.appends) == ("", "", None, None, None)
    assert read("# Keyspace\r\n").keys == 0


HOSTILE = [
    "9" * 5000,
    "-" + "9" * 5000,
    "-1",
    "",
    "NaN",
    "1e999",
    "\u0661\u0662",
    "x" * 100_000,
    "\udcff\udcfe",
]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_values_never_raise_and_stay_small(value: str) -> None:
    text = (
        f"# Server\r\nrun_id:{value}\r\nprocess_id:{value}\r\ntcp_port:{value}\r\n"
        f"# Persistence\r\naof_enabled:{value}\r\nloading:{value}\r\n"
        f"# Replication\r\nrole:{{role}}\r\nmaster_host:{value}\r\nmaster_port:{value}\r\n"
        f"master_repl_offset:{value}\r\n"
        f"slave0:ip={value},port={value},state=online,lag={value}\r\nslave1:ip=,port=1,state=online,lag=1\r\n"
        f"slave2:{value}\r\nslave3:ip=10.0.0.1,port=6379,state=wait_bgsave,lag=0\r\n"
        f"# Keyspace\r\ndb0:keys={value},expires=0\r\ndb1:{value}\r\n"
    )
    for role in ("master", "slave", value):
        info = read(text.format(role=role) if "{" not in value else text, value)
        assert len(info.run_id) <= 40
        assert all(lag >= 0 for lag in info.lags.values())
        assert info.keys is not None
        assert info.keys < 10**19
        assert len(repr(info)) < 20_000


def test_replicas_of_a_flood_are_bounded() -> None:
    rows = "".join(f"slave{n}:ip=10.0.0.1,port={n + 1},state=online,lag=0\r\n" for n in range(LIMITS.replicas + 500))
    assert len(read(f"# Replication\r\nrole:master\r\n{rows}").lags) == LIMITS.replicas


def test_run_id_of_a_node_obeys_no_terminal() -> None:
    """A run id stands in notices, so in logs and on terminals: what is not printable is replaced."""
    info = read("# Server\r\nrun_id:\x1b[2J\x07evil\r\n")
    assert info.run_id == "?[2J?evil"
