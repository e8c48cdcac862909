"""
Replies of real servers, through real RESP bytes and hiredis, in both protocols; and hostile ones.

tests/recorded/replies/*.txt hold ``COMMAND => repr`` lines, in RESP2's shape; here they become bytes again.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peers.scripted import VERSIONS
from recorded import answers
from switchmaster.model import LIMITS, Address
from switchmaster.wire import replies
from switchmaster.wire.events import Kind, Unrecognised
from switchmaster.wire.info import InfoMaster

REPLIES = Path(__file__).parent.parent / "recorded" / "replies"
PARSERS: list[tuple[str, Callable[[object], object]]] = [
    (r"SENTINEL (MASTERS|PRIMARIES)", replies.parse_masters),
    (r"SENTINEL (MASTER|PRIMARY) .+", replies.parse_master),
    (r"r3 SENTINEL MASTER", replies.parse_master),
    (r"SENTINEL (REPLICAS|SLAVES) .+", replies.parse_replicas),
    (r"SENTINEL SENTINELS .+", replies.parse_sentinels),
    (r"SENTINEL GET-(MASTER|PRIMARY)-ADDR-BY-NAME .+", replies.parse_address),
    (r"SENTINEL CKQUORUM .+", replies.parse_ckquorum),
    (r"SENTINEL MYID", replies.parse_myid),
    (r"INFO (sentinel|server)|r3 INFO", replies.parse_info),
    (r"ROLE|r3 role", replies.parse_role),
    (r"HELLO( 3)?", replies.parse_hello),
]
MAPS = {replies.parse_master, replies.parse_hello}
LISTS_OF_MAPS = {replies.parse_masters, replies.parse_replicas, replies.parse_sentinels}


class Error(str):
    """The text of an error reply."""

    __slots__ = ()


def lines_of(name: str) -> Iterator[tuple[str, object]]:
    """Yield each recorded command with its reply."""
    for line in (REPLIES / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        match = re.match(r"(r3 role|r3 INFO|r3 SENTINEL MASTER)(?: while subscribed)?(?: type)?"
                         r"(?: dict)? (.*)", line)  # fmt: skip
        command, arrow, text = match.expand(r"\1\0\2").partition("\0") if match else (line.partition(" => "))
        if arrow and not text.endswith("..."):
            error = re.fullmatch(r"ERR<(.*)>", text)
            yield command, Error(error[1]) if error else ast.literal_eval(text)


def recorded() -> Iterator[tuple[str, str, Callable[[object], object], object]]:
    for path in sorted(REPLIES.glob("*.txt")):
        for command, value in lines_of(path.stem):
            bare = re.sub(r"^(master|replica|orphan|empty|odd) ", "", command)
            for pattern, parse in PARSERS:
                if re.fullmatch(pattern, bare):
                    yield path.stem, command, parse, value


RECORDED = list(recorded())
each_reply = pytest.mark.parametrize(
    ("parse", "value"),
    [(parse, value) for _, _, parse, value in RECORDED],
    ids=[f"{server}: {command}" for server, command, _, _ in RECORDED],
)


def one(name: str, command: str) -> object:
    """Return the recorded reply of a command, as hiredis returns it."""
    return decoded(resp2(dict(lines_of(name))[command]))


def resp2(value: object) -> bytes:
    match value:
        case None:
            return b"*-1\r\n"
        case Error():
            return b"-" + value.encode() + b"\r\n"
        case str():
            raw = value.encode("utf-8", "surrogateescape")
            return b"$%d\r\n%s\r\n" % (len(raw), raw)
        case int():
            return b":%d\r\n" % value
        case dict():
            return resp2([item for pair in value.items() for item in pair])
        case list():
            return b"*%d\r\n" % len(value) + b"".join(map(resp2, value))
    raise AssertionError(value)


def resp3(value: object) -> bytes:
    match value:
        case None:
            return b"_\r\n"
        case dict():
            items = b"".join(resp3(item) for pair in value.items() for item in pair)
            return b"%%%d\r\n" % len(value) + items
        case list():
            return b"*%d\r\n" % len(value) + b"".join(map(resp3, value))
    return resp2(value)


def as_map(value: object) -> object:
    return dict(zip(value[::2], value[1::2], strict=True)) if isinstance(value, list) else value


def in_resp3_shape(parse: Callable[[object], object], value: object) -> object:
    if parse in LISTS_OF_MAPS and isinstance(value, list):
        return [as_map(row) for row in value]
    return as_map(value) if parse in MAPS else value


def decoded(raw: bytes) -> object:
    reader = hiredis.Reader()
    reader.feed(raw)
    value = reader.gets()
    assert reader.gets() is False
    return value


def is_refusal(value: object) -> bool:
    return isinstance(value, Error) and not value.startswith("NOQUORUM")


# Recordings ---------------------------------------------------------------------------------------


def test_recordings_hold_every_command_of_every_server() -> None:
    seen = {(server, parse) for server, _, parse, _ in RECORDED}
    for server in VERSIONS:
        assert {parse for _, parse in PARSERS} == {parse for name, parse in seen if name == server}


@each_reply
def test_recorded_reply_is_read_alike_in_both_protocols(parse: Callable[[object], object], value: object) -> None:
    first = parse(decoded(resp2(value)))
    assert first == parse(decoded(resp3(in_resp3_shape(parse, value))))
    assert is_refusal(value) == isinstance(first, Unrecognised)
    if isinstance(first, Unrecognised):
        assert first.payload == value


@each_reply
def test_recorded_rows_keep_what_the_server_said(parse: Callable[[object], object], value: object) -> None:
    shaped = in_resp3_shape(parse, value)
    read = parse(decoded(resp2(value)))
    rows = shaped if parse in LISTS_OF_MAPS else [shaped] if parse is replies.parse_master else []
    if isinstance(rows, list) and not is_refusal(value):
        values = read if isinstance(read, tuple) else (read,)
        for row, reply in zip(rows, values, strict=False):
            assert reply.address == Address(row["ip"], int(row["port"]))
            assert reply.flags == frozenset(row["flags"].split(","))
            assert reply.run_id == row["runid"]
        if parse in LISTS_OF_MAPS:
            assert len(rows) == len(values)


def test_master_of_a_real_server_is_read_whole() -> None:
    assert replies.parse_masters(one("redis-7.0.15", "SENTINEL MASTERS")) == (answers.MASTER,)
    assert replies.parse_master(one("redis-7.0.15", "r3 SENTINEL MASTER")) == replace(
        answers.MASTER, last_ok_ping_ms=85, info_age_ms=2154, role_reported_ms=2168
    )


def test_answers_used_by_other_tests_are_those_of_a_real_server() -> None:
    replicas = replies.parse_replicas(one("redis-7.0.15", "SENTINEL REPLICAS mymaster"))
    sentinels = replies.parse_sentinels(one("redis-7.0.15", "SENTINEL SENTINELS mymaster"))
    assert isinstance(replicas, tuple)
    assert answers.REPLICA in replicas
    assert isinstance(sentinels, tuple)
    assert answers.SENTINEL in sentinels


def test_replica_of_a_real_server_is_read_whole() -> None:
    read = replies.parse_replicas(one("redis-6.2.14", "SENTINEL REPLICAS mymaster"))
    assert isinstance(read, tuple)
    assert read[0] == replies.ReplicaReply(
        name="127.0.0.1:26702",
        address=Address("127.0.0.1", 26702),
        run_id="09feac09d8fc8534ab1f3795225eeba151c3a2e9",
        flags=frozenset({"slave"}),
        master_link_up=True,
        master_link_down_ms=0,
        master=Address("127.0.0.1", 26701),
        priority=100,
        offset=0,
        announced=True,
        last_ok_ping_ms=30,
        info_age_ms=2090,
    )


def test_sentinel_of_a_real_server_is_read_whole() -> None:
    read = replies.parse_sentinels(one("redis-6.2.14", "SENTINEL SENTINELS mymaster"))
    assert isinstance(read, tuple)
    assert [reply.address.port for reply in read] == [26713, 26712]
    assert (read[0].run_id, read[0].last_hello_ms) == (
        "306a43f79a443077c63a0e1742b7517861a5624a",
        93,
    )
    assert (read[0].voted_leader, read[0].voted_leader_epoch) == (None, None)


def test_address_of_an_unknown_name_is_none_in_both_protocols() -> None:
    for raw in (b"*-1\r\n", b"_\r\n", b"$-1\r\n"):
        assert replies.parse_address(decoded(raw)) is None


def test_quorum_is_read_from_the_answer_and_from_the_error() -> None:
    yes = replies.parse_ckquorum(one("valkey-9.1.2", "SENTINEL CKQUORUM mymaster"))
    assert isinstance(yes, replies.QuorumReply)
    assert (yes.reachable, yes.usable) == (True, 3)
    no = replies.parse_ckquorum(one("valkey-9.1.2-odd", "odd SENTINEL CKQUORUM lonely"))
    assert isinstance(no, replies.QuorumReply)
    assert (no.reachable, no.usable) == (False, 1)
    assert no.message.startswith("NOQUORUM 1 usable Sentinels. Not enough available")


def test_hello_gives_the_true_name_and_version() -> None:
    read = replies.parse_hello(one("valkey-9.1.2", "HELLO 3"))
    assert read == replies.HelloReply("valkey", "9.1.2", 3, 148, "sentinel")
    node = replies.parse_hello(one("redis-6.2.14-odd", "master HELLO"))
    assert node == replies.HelloReply("redis", "6.2.14", 2, 3, "standalone")


@pytest.mark.parametrize(("name", "port"), [("redis-6.2.14-odd", 28780), ("valkey-9.1.2-odd", 28770)])
def test_role_of_data_nodes_is_read(name: str, port: int) -> None:
    master = replies.parse_role(one(name, "master ROLE"))
    assert isinstance(master, replies.RoleReply)
    assert master.role is Kind.MASTER
    assert master.replicas == (replies.RoleReplica(Address("127.0.0.1", port + 1), master.offset or -1),)
    replica = replies.parse_role(one(name, "replica ROLE"))
    assert isinstance(replica, replies.RoleReply)
    assert (replica.role, replica.master) == (Kind.REPLICA, Address("127.0.0.1", port))
    assert (replica.state, replica.link_up, replica.offset) == ("connected", True, master.offset)
    orphan = replies.parse_role(one(name, "orphan ROLE"))
    assert isinstance(orphan, replies.RoleReply)
    assert (orphan.state, orphan.link_up, orphan.offset) == ("connect", False, -1)


def test_role_of_a_sentinel_gives_the_names() -> None:
    assert replies.parse_role(one("redis-8.2.3", "ROLE")) == replies.RoleReply(Kind.SENTINEL, names=("mymaster",))
    assert replies.parse_role(one("redis-6.2.14-odd", "empty ROLE")) == replies.RoleReply(Kind.SENTINEL)


def test_info_of_each_server_gives_its_own_version() -> None:
    read = {
        name: replies.parse_info(one(name, "INFO server")) for name in ("redis-6.2.14", "redis-8.2.3", "valkey-9.1.2")
    }
    assert {name: f"{info.server}-{info.version}" for name, info in read.items()} == {name: name for name in read}
    assert {info.mode for info in read.values()} == {"sentinel"}
    assert {info.tilt for info in read.values()} == {None}


@pytest.mark.parametrize(
    ("name", "since", "total"),
    [
        ("redis-6.2.14", None, None),
        ("redis-7.0.15", -1, None),
        ("redis-8.2.3", -1, 0),
        ("valkey-9.1.2", -1, 0),
    ],
)
def test_info_of_a_sentinel_gives_what_its_version_has(name: str, since: int | None, total: int | None) -> None:
    info = replies.parse_info(one(name, "INFO sentinel"))
    assert isinstance(info, replies.InfoReply)
    assert (info.tilt, info.tilt_since_seconds, info.total_tilt) == (False, since, total)
    assert (info.running_scripts, info.scripts_queue_length) == (0, 0)
    assert [(master.name, master.sentinels) for master in info.masters] == [("mymaster", 3)]


def test_info_and_role_keep_odd_names_and_ipv6() -> None:
    info = replies.parse_info(one("redis-6.2.14-odd", "odd INFO sentinel"))
    role = replies.parse_role(one("redis-6.2.14-odd", "odd ROLE"))
    masters = replies.parse_masters(one("redis-6.2.14-odd", "odd SENTINEL MASTERS"))
    assert isinstance(info, replies.InfoReply)
    assert isinstance(role, replies.RoleReply)
    assert isinstance(masters, tuple)
    names = {"my master", "a,b", "k=v,status=ok,address=1.2.3.4:5", "émile", "v6", "x\ny", "lonely"}
    assert names == {master.name for master in info.masters} == set(role.names)
    assert names == {master.name for master in masters}
    assert {m.name: m.address for m in info.masters} == {m.name: m.address for m in masters}
    v6 = next(master for master in info.masters if master.name == "v6")
    assert v6 == InfoMaster("v6", "ok", Address("::1", 28780), replicas=0, sentinels=1)


# Bad replies --------------------------------------------------------------------------------------

ROW = {"name": "m", "ip": "127.0.0.1", "port": "6379"}
ALL = [parse for _, parse in PARSERS]


def row(**changes: object) -> object:
    fields = {**ROW, **{key.replace("_", "-"): value for key, value in changes.items()}}
    return decoded(resp3({key: value for key, value in fields.items() if value is not ...}))


def unrecognised(value: object) -> Unrecognised:
    assert isinstance(value, Unrecognised)
    return value


def test_missing_optional_fields_have_their_defaults() -> None:
    master = replies.parse_master(row())
    assert isinstance(master, replies.MasterReply)
    assert (master.run_id, master.flags, master.config_epoch) == ("", frozenset(), 0)
    assert master.failover_state is None
    (replica,) = replies.parse_replicas([row()])
    assert (replica.master, replica.master_link_up, replica.priority) == (None, False, 100)
    assert replica.announced is True
    (sentinel,) = replies.parse_sentinels([row()])
    assert (sentinel.run_id, sentinel.voted_leader_epoch) == ("m", None)


def test_fields_of_a_failover_in_progress_are_read() -> None:
    flags = "master,o_down,failover_in_progress"
    master = replies.parse_master(row(flags=flags, failover_state="wait_promotion"))
    assert isinstance(master, replies.MasterReply)
    assert master.failover_state == "wait_promotion"
    assert master.flags == {"master", "o_down", "failover_in_progress"}
    (sentinel,) = replies.parse_sentinels([row(voted_leader="a" * 40, voted_leader_epoch="7")])
    assert (sentinel.voted_leader, sentinel.voted_leader_epoch) == ("a" * 40, 7)


@pytest.mark.parametrize("key", ["name", "ip", "port"])
def test_row_is_unrecognised_without_its_name_ip_or_port(key: str) -> None:
    assert f"expected a field '{key}'" == unrecognised(replies.parse_master(row(**{key: ...}))).reason


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("port", "65536"), ("port", "-1"), ("port", "٦"), ("port", "x"), ("port", []),
        ("ip", 5), ("quorum", "two"), ("quorum", "1.5"), ("quorum", ""), ("quorum", None),
        ("config_epoch", "9" * 5000), ("flags", 7),
    ],
)  # fmt: skip
def test_row_is_unrecognised_if_a_value_is_of_another_kind(key: str, value: object) -> None:
    assert "expected" in unrecognised(replies.parse_master(row(**{key: value}))).reason


def test_one_bad_row_makes_the_whole_reply_unrecognised_and_is_named() -> None:
    event = unrecognised(replies.parse_masters([row(), row(name="other", port="x"), row()]))
    assert event.reason == "expected the port as a number in row 2"
    assert event.channel == "SENTINEL MASTERS"
    assert "other" in event.payload


def test_unknown_and_repeated_keys_are_no_error_and_the_last_counts() -> None:
    flat = [b"name", b"m", b"ip", b"::1", b"port", b"1", b"port", b"2", 5, b"x", None, None]
    master = replies.parse_master([*flat, b"\xff", b"y"])
    assert isinstance(master, replies.MasterReply)
    assert master.address == Address("::1", 2)


def test_bytes_that_are_not_utf8_are_kept() -> None:
    master = replies.parse_master([b"name", b"\xff", b"ip", b"", b"port", b"0"])
    assert isinstance(master, replies.MasterReply)
    assert (master.name, master.address) == ("\udcff", Address("", 0))


LONG = "x" * (LIMITS.text + 1)


@pytest.mark.parametrize("key", ["name", "ip", "runid", "flags", "role_reported"])
def test_text_longer_than_a_sentinel_publishes_is_unrecognised(key: str) -> None:
    event = unrecognised(replies.parse_master(row(**{key: LONG})))
    assert f"at most {LIMITS.text} characters" in event.reason
    assert len(event.payload) == LIMITS.payload_shown
    assert isinstance(replies.parse_master(row(**{key: LONG[1:]})), replies.MasterReply)


def test_name_in_role_longer_than_a_sentinel_publishes_is_unrecognised() -> None:
    role = decoded(resp2(["sentinel", ["mymaster", LONG]]))
    assert "a name as text of at most" in unrecognised(replies.parse_role(role)).reason
    assert "in row 2" in unrecognised(replies.parse_role(role)).reason


def test_long_answer_about_the_quorum_is_cut() -> None:
    quorum = replies.parse_ckquorum(f"OK 3 usable Sentinels. {LONG}".encode())
    assert isinstance(quorum, replies.QuorumReply)
    assert len(quorum.message) == LIMITS.text


def test_flat_list_of_odd_length_is_not_a_map() -> None:
    unrecognised(replies.parse_master([b"name"]))


def test_bad_master_line_of_info_is_named() -> None:
    text = b"# Sentinel\r\nsentinel_tilt:0\r\nmaster3:name=x,status=ok\r\n"
    event = unrecognised(replies.parse_info(text))
    assert event.payload == "master3:name=x,status=ok"


def test_info_keeps_every_section_as_text() -> None:
    info = replies.parse_info(b"lone:1\r\n# Replication\r\nrole:master\r\nslave0:ip=::1,port=1\r\n")
    assert isinstance(info, replies.InfoReply)
    assert info.sections == {
        "": {"lone": "1"},
        "replication": {"role": "master", "slave0": "ip=::1,port=1"},
    }
    assert (info.server, info.tilt, info.masters) == (None, None, ())
    assert isinstance(hash(info), int)


@pytest.mark.parametrize("parse", ALL)
def test_error_is_unrecognised_with_its_text(parse: Callable[[object], object]) -> None:
    event = unrecognised(parse(decoded(b"-NOPERM this user has no permissions\r\n")))
    assert event.payload == "NOPERM this user has no permissions"


def nested(depth: int) -> object:
    value: object = b"x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("parse", ALL)
@pytest.mark.parametrize(
    "odd",
    [nested(5000), [nested(5000)] * 2, 1 << 20_000, b"x" * 10**6, [b"name"] * 10**5, object(),
     {b"name": {b"a": nested(5000)}}, True, 1.5, float("nan"), [], {}, b"", [[]], [None] * 6],
    ids=lambda odd: type(odd).__name__,
)  # fmt: skip
def test_odd_object_never_raises_and_shows_little(parse: Callable[[object], object], odd: object) -> None:
    read = parse(odd)
    if isinstance(read, Unrecognised):
        assert len(read.payload) <= LIMITS.payload_shown


words = st.sampled_from(
    [b"name", b"ip", b"port", b"6379", b"127.0.0.1", b"sentinel", b"master", b"slave", b"m", b"-1",
     b"runid", b"flags", b"server", b"version", b"redis", b"OK 3 usable Sentinels.", b"a" * 40]
)  # fmt: skip
scalars = st.one_of(words, st.binary(max_size=20), st.integers(), st.none(), st.booleans(), st.floats(), st.text())
objects = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=8), st.dictionaries(scalars, inner, max_size=6)),
    max_leaves=30,
)


@given(parse=st.sampled_from(ALL), reply=objects)
def test_arbitrary_replies_never_raise(parse: Callable[[object], object], reply: object) -> None:
    read = parse(reply)
    if isinstance(read, Unrecognised):
        assert len(read.payload) <= LIMITS.payload_shown
        assert read.reason.startswith("expected ")
    else:
        assert read is None or isinstance(hash(read), int)
