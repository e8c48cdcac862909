"""What Sentinels and nodes answered, read into an `Inspection`: recordings of real servers, and refusals."""

from __future__ import annotations

import hiredis
import pytest

from recorded.inspections import disguise, node_replies, sentinel_replies
from switchmaster.doctor.inspection import SentinelInspection
from switchmaster.doctor.questions import (
    Contact,
    listed_nodes,
    listed_sentinels,
    master_names,
    read_node,
    read_sentinel,
    rights_questions,
)
from switchmaster.model import Address, SentinelName
from switchmaster.wire.refusal import Refusal

VERSIONS = ("redis-6.2.14", "redis-7.0.15", "redis-8.2.3", "valkey-9.1.2")
REACHED = Contact(dialled_ip="127.0.0.1", round_trip=0.001, asked_at=1795402666.0)
NODE = Address("127.0.0.1", 26701)


def sentinel(version: str, port: int = 26711) -> SentinelInspection:
    address = Address("127.0.0.1", port)
    return read_sentinel(SentinelName(str(address)), address, True, REACHED, sentinel_replies(version), disguise)


@pytest.mark.parametrize("version", VERSIONS)
def test_sentinel_of_a_real_server_is_read_whole(version: str) -> None:
    replies = sentinel_replies(version)
    assert master_names(replies) == ("mymaster",)
    read = read_sentinel(SentinelName("s"), Address("s", 1), True, REACHED, replies, disguise)
    told = read.masters["mymaster"]
    assert read.answered
    assert ".".join(map(str, read.version)) == version.partition("-")[2]
    assert read.is_valkey == version.startswith("valkey")
    assert (read.timers is None) == (version == "redis-6.2.14")
    assert read.settings is not None
    assert read.settings["announce-hostnames"] == "no"
    assert told.address == told.master.address
    assert told.replicas is not None
    assert len(told.replicas) == told.master.num_replicas == 2
    assert told.sentinels is not None
    assert len(told.sentinels) == told.master.num_other_sentinels == 2
    assert told.quorum is not None
    assert told.quorum.reachable
    assert told.quorum.usable == 3


def test_sentinel_that_answered_nothing_has_no_value() -> None:
    read = read_sentinel(SentinelName("s"), Address("s", 1), True, Contact("it timed out"), {}, disguise)
    assert not read.answered
    assert (read.info, read.settings, read.run_id, read.timers, read.user) == (None, None, None, None, None)
    assert read.masters == {}
    assert read.version == ()
    assert read.may_failover is None


def test_refused_question_is_a_right_that_is_lacking() -> None:
    replies = dict(sentinel_replies("valkey-9.1.2"))
    refused = hiredis.ReplyError("NOPERM User w has no permissions to run the 'sentinel|ckquorum' command")
    replies["SENTINEL", "CKQUORUM", "mymaster"] = refused
    replies["SENTINEL", "FAILOVER", "switchmaster-may-order"] = refused
    read = read_sentinel(SentinelName("s"), Address("s", 1), True, REACHED, replies, disguise)
    assert read.lacks("SENTINEL", "CKQUORUM")
    assert not read.lacks("SENTINEL", "MASTERS")
    assert read.masters["mymaster"].quorum is None
    assert read.may_failover is False
    assert read.refused["SENTINEL", "CKQUORUM", "mymaster"] is Refusal.PERMISSION


def test_secrets_are_never_kept() -> None:
    settings = [b"requirepass", b"s3cret", b"masterauth", b"s3cret", b"maxmemory", b"0", b"sentinel-pass", b""]
    read = read_node(NODE, ["m"], REACHED, {("CONFIG", "GET", "*"): settings}, disguise)
    assert read.settings is not None
    assert "s3cret" not in repr(read.settings)
    assert read.setting("requirepass") == read.setting("masterauth") == disguise("s3cret")
    assert read.setting("sentinel-pass") == ""


def test_node_tells_its_role_and_the_rights_of_sentinels() -> None:
    replies = dict(node_replies("redis-7.0.15", "master, empty", role=[b"master", 12, []]))
    replies["CLIENT", "LIST", "TYPE", "pubsub"] = (
        b"id=3 addr=127.0.0.1:1 name=sentinel-0a94d938-pubsub user=sentinel resp=2\n"
        b"id=4 addr=127.0.0.1:2 name= user=app resp=2\n"
    )
    asked = rights_questions(replies)
    assert {question[2] for question in asked} == {"sentinel"}
    replies["ACL", "DRYRUN", "sentinel", "PING"] = b"OK"
    replies["ACL", "DRYRUN", "sentinel", "EXEC"] = b"User sentinel has no permissions to run the 'exec' command"
    replies["ACL", "DRYRUN", "sentinel", "MULTI"] = hiredis.ReplyError("ERR User 'sentinel' not found")
    read = read_node(NODE, ["m"], REACHED, replies, disguise)
    assert read.is_master() is True
    assert read.sentinel_users == {"sentinel": {"PING": True, "EXEC": False}}
    assert read.number("server", "tcp_port") == 17348
    assert read.clock_ahead is not None


def test_only_valkey_9_asks_for_what_a_coordinated_failover_needs() -> None:
    clients = {("CLIENT", "LIST", "TYPE", "pubsub"): b"id=3 name=sentinel-0a94d938-pubsub user=default\n"}
    for version, wanted in (("redis-7.0.15", False), ("valkey-9.1.2", True)):
        asked = rights_questions({**node_replies(version, "master, empty"), **clients})
        assert any(question[3] == "FAILOVER" for question in asked) == wanted


def test_address_of_one_sentinel_alone_is_not_trusted() -> None:
    replies = dict(sentinel_replies("valkey-9.1.2"))
    for what in ("SENTINELS", "REPLICAS"):
        rows = replies["SENTINEL", what, "mymaster"]
        made_up = [*rows[0]]
        made_up[made_up.index(b"port") + 1] = b"666"
        replies["SENTINEL", what, "mymaster"] = [*rows, made_up]
    name, address = SentinelName("127.0.0.1:26713"), Address("127.0.0.1", 26713)
    liar = read_sentinel(name, address, True, REACHED, replies, disguise)
    several = [sentinel("valkey-9.1.2", 26711), sentinel("valkey-9.1.2", 26712), liar]
    sentinels, nodes = listed_sentinels(several), listed_nodes(several)
    assert {one.port: trusted for one, trusted in sentinels.items()} == {
        **{26711: False, 26712: True, 26713: True},
        666: False,
    }
    assert nodes == {
        **{Address("127.0.0.1", port): (frozenset({"mymaster"}), True) for port in (26701, 26702, 26703)},
        Address("127.0.0.1", 666): (frozenset({"mymaster"}), False),
    }
