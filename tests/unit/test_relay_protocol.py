"""A relay's answers are a Sentinel's: field by field, word by word; what a client may do, and what bytes it gets."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorded.answers import snapshot
from rig.relay_scene import RelayScene, request
from rig.scenario import S1, S2, S3, A, B, C
from switchmaster.model import Address, Moment
from switchmaster.relay.accounts import Accounts
from switchmaster.relay.protocol import ANSWERS_BYTES, SUBSCRIPTIONS_MAX, Conversation
from switchmaster.relay.relay_state import identity_of
from switchmaster.wire.facts import Probe, SnapshotEnd
from switchmaster.wire.replies import (
    parse_ckquorum,
    parse_hello,
    parse_master,
    parse_masters,
    parse_replicas,
    parse_role,
)
from switchmaster.wire.resp import FrameReader

REPLIES = Path(__file__).parent.parent / "recorded" / "replies"
NOW = Moment(200.0, 1_700_000_000.25)


def recorded(version: str, command: str) -> Any:
    """Return a real Sentinel's answer; an error as its text after ``ERR<``."""
    for line in (REPLIES / f"{version}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{command} => "):
            answer = line.removeprefix(f"{command} => ")
            return answer[4:-1] if answer.startswith("ERR<") else ast.literal_eval(answer)
    raise LookupError(command)


def shown(reply: Any) -> Any:
    """Return a reply as the recordings show it."""
    if isinstance(reply, hiredis.ReplyError):
        return str(reply)
    if isinstance(reply, bytes):
        return reply.decode("utf-8", "surrogateescape")
    if isinstance(reply, list):
        return [shown(one) for one in reply]
    if isinstance(reply, dict):
        return {shown(key): shown(one) for key, one in reply.items()}
    return reply


def keys(row: list[str]) -> list[str]:
    return row[::2]


@pytest.fixture
def scene() -> RelayScene:
    return RelayScene()


@pytest.fixture
def client(scene: RelayScene) -> Conversation:
    return scene.client(peers=(Address("10.0.0.8", 26379), Address("10.0.0.9", 26380)))


VERSIONS = ("redis-6.2.14", "redis-7.0.15", "redis-8.2.3", "valkey-9.1.2")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("SENTINEL MASTERS", "SENTINEL MASTERS"),
        ("SENTINEL REPLICAS mymaster", "SENTINEL REPLICAS mymaster"),
        ("SENTINEL SLAVES mymaster", "SENTINEL SLAVES mymaster"),
        ("SENTINEL SENTINELS mymaster", "SENTINEL SENTINELS mymaster"),
    ],
)
def test_rows_have_the_fields_of_a_sentinel_in_its_order(
    scene: RelayScene, client: Conversation, version: str, command: str, name: str
) -> None:
    rows, theirs = shown(scene.ask(client, *command.split())), recorded(version, name)
    assert len(rows) == len(theirs)
    assert [keys(row) for row in rows] == [keys(row) for row in theirs]


def test_values_are_what_the_sentinels_said(scene: RelayScene, client: Conversation) -> None:
    scene.now += 2.0
    row = dict(zip(*[iter(shown(scene.ask(client, "SENTINEL", "MASTER", "mymaster")))] * 2, strict=True))
    theirs = dict(zip(*[iter(recorded("redis-7.0.15", "SENTINEL MASTERS")[0])] * 2, strict=True))
    differing = {"ip", "port", "runid", "last-ok-ping-reply", "last-ping-reply", "info-refresh", "role-reported-time"}
    assert {key: row[key] for key in row if key not in differing} == {
        key: value for key, value in theirs.items() if key not in differing
    }
    assert (row["ip"], row["port"]) == (A.host, str(A.port))
    assert row["last-ok-ping-reply"] == "3072"  # 72 ms then, and 3 s since
    assert row["runid"] == snapshot(A, 0).reply.run_id


def test_our_own_parsers_read_every_answer(scene: RelayScene, client: Conversation) -> None:
    master = parse_master(scene.ask(client, "SENTINEL", "MASTER", "mymaster"))
    assert (master.address, master.num_replicas, master.quorum) == (A, 2, 2)  # type: ignore[union-attr]
    assert [one.name for one in parse_masters(scene.ask(client, "SENTINEL", "MASTERS"))] == ["mymaster"]  # type: ignore[union-attr]
    replicas = parse_replicas(scene.ask(client, "SENTINEL", "REPLICAS", "mymaster"))
    assert [one.address for one in replicas] == [B, C]  # type: ignore[union-attr]
    assert parse_role(scene.ask(client, "ROLE")).names == ("mymaster",)  # type: ignore[union-attr]
    assert parse_hello(scene.ask(client, "HELLO", "3")).mode == "sentinel"  # type: ignore[union-attr]
    assert parse_ckquorum(scene.ask(client, "SENTINEL", "CKQUORUM", "mymaster")).usable == 3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "command",
    [
        "PING",
        "PING hi",
        "SENTINEL GET-MASTER-ADDR-BY-NAME nosuch",
        "SENTINEL MASTER nosuch",
        "SENTINEL REPLICAS nosuch",
        "SENTINEL CKQUORUM mymaster",
        "SENTINEL CKQUORUM nosuch",
        "SENTINEL FOO",
        "SENTINEL",
        "SENTINEL MASTER",
        "SENTINEL CONFIG GET *",
        "SENTINEL INFO-CACHE nosuch",
        "ROLE",
        "CLIENT SETNAME watcher",
        "CLIENT GETNAME",
        "CLIENT NO-EVICT on",
        "CLIENT REPLY ON",
        "CONFIG GET *",
        "PUBSUB CHANNELS",
        "SSUBSCRIBE x",
        "GET x",
        "SELECT 0",
        "ACL WHOAMI",
        "MONITOR",
        "LATENCY LATEST",
        "PUBLISH foo bar",
        "WAIT 0 0",
    ],
)
def test_answers_are_those_of_redis_7_word_by_word(scene: RelayScene, client: Conversation, command: str) -> None:
    client.name = "watcher"
    assert shown(scene.ask(client, *command.split())) == recorded("redis-7.0.15", command)


def test_the_name_of_a_client_has_no_blanks(scene: RelayScene, client: Conversation) -> None:
    assert shown(scene.ask(client, "CLIENT", "SETNAME", "watch er")) == recorded(
        "redis-7.0.15", "CLIENT SETNAME watch er"
    )


def test_info_of_a_sentinel_has_its_lines(scene: RelayScene, client: Conversation) -> None:
    ours, theirs = shown(scene.ask(client, "INFO", "sentinel")), recorded("redis-7.0.15", "INFO sentinel")
    assert ours == theirs.replace("127.0.0.1:26101", str(A))
    assert "relay_stale:0\r\n" in shown(scene.ask(client, "INFO"))
    assert "redis_mode:sentinel\r\n" in shown(scene.ask(client, "INFO", "SERVER"))


def test_hello_3_gives_maps_and_hello_2_flat_arrays(scene: RelayScene, client: Conversation) -> None:
    hello = shown(scene.ask(client, "HELLO", "3", "SETNAME", "x"))
    assert hello == {"server": "redis", "version": "7.0.15", "proto": 3, "id": 7, "mode": "sentinel", "modules": []}
    assert shown(scene.ask(client, "SENTINEL", "MASTER", "mymaster"))["name"] == "mymaster"
    assert scene.ask(client, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "nosuch") is None
    assert client.receive_data(request("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "nosuch"), NOW) == b"_\r\n"
    assert scene.ask(client, "HELLO", "2")[0] == b"server"  # type: ignore[index]
    assert client.receive_data(request("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "nosuch"), NOW) == b"*-1\r\n"
    for words in (["4"], ["x"], ["3", "AUTH", "a"], ["3", "SETNAME", "a b"]):
        assert isinstance(scene.ask(client, "HELLO", *words), hiredis.ReplyError)
    assert client.protocol == 2


def test_sentinels_names_the_peers_and_never_a_sentinel(scene: RelayScene, client: Conversation) -> None:
    rows = scene.ask(client, "SENTINEL", "SENTINELS", "mymaster")
    assert isinstance(rows, list)
    assert [(row[3], row[5], row[1]) for row in rows] == [
        (b"10.0.0.8", b"26379", identity_of(Address("10.0.0.8", 26379)).encode()),
        (b"10.0.0.9", b"26380", identity_of(Address("10.0.0.9", 26380)).encode()),
    ]
    everything = b"".join(
        client.receive_data(request(*words), NOW)
        for words in (["INFO"], ["SENTINEL", "MASTERS"], ["SENTINEL", "SENTINELS", "mymaster"], ["CLIENT", "INFO"])
    )
    assert not any(str(name).rpartition(":")[2].encode() in everything for name in (S1, S2, S3))


def test_the_relay_never_votes(scene: RelayScene, client: Conversation) -> None:
    words = ["SENTINEL", "IS-MASTER-DOWN-BY-ADDR", A.host, str(A.port), "99"]
    assert shown(scene.ask(client, *words, 40 * "a")) == [0, "*", 0]
    for name in (S1, S2):
        scene.say(name, f"+sdown master mymaster {A.host} {A.port}")
    assert shown(scene.ask(client, *words, 40 * "a")) == [1, "*", 0]
    assert shown(scene.ask(client, *words[:-1], "x", "*")) == "ERR value is not an integer or out of range"


@pytest.mark.parametrize("name", ["FAILOVER", "RESET", "REMOVE", "MONITOR", "SET", "FLUSHCONFIG", "SIMULATE-FAILURE"])
def test_what_changes_a_sentinel_is_refused_in_its_words(scene: RelayScene, client: Conversation, name: str) -> None:
    refused = f"NOPERM this user has no permissions to run the 'sentinel|{name.lower()}' command"
    assert shown(scene.ask(client, "SENTINEL", name, "mymaster")) == refused


# Users --------------------------------------------------------------------------------------------


def test_without_the_password_only_auth_is_answered(scene: RelayScene) -> None:
    client = scene.client(accounts=Accounts("s3cret", {"app": "pw"}))
    for words in (["PING"], ["SENTINEL", "MASTERS"], ["SUBSCRIBE", "x"], ["INFO"]):
        assert shown(scene.ask(client, *words)) == "NOAUTH Authentication required."
    assert shown(scene.ask(client, "HELLO", "3")).startswith("NOAUTH HELLO must be called")
    wrong = "WRONGPASS invalid username-password pair or user is disabled."
    for words in (["AUTH", "x"], ["AUTH", "app", "s3cret"], ["AUTH", "no", "pw"], ["HELLO", "3", "AUTH", "app", "x"]):
        assert shown(scene.ask(client, *words)) == wrong
    assert client.view.state.counters.auth_failures == 4
    assert client.protocol == 2
    assert shown(scene.ask(client, "HELLO", "3", "AUTH", "app", "pw"))["proto"] == 3
    assert shown(scene.ask(client, "ACL", "WHOAMI")) == "app"
    assert shown(scene.ask(client, "RESET")) == "RESET"
    assert shown(scene.ask(client, "PING")) == "NOAUTH Authentication required."
    assert shown(scene.ask(client, "AUTH", "s3cret")) == "OK"


def test_an_answer_that_is_remembered_reaches_no_stranger(scene: RelayScene) -> None:
    known = scene.client(accounts=Accounts("s3cret"))
    stranger = Conversation(known.view, 8)
    question = request("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")
    assert stranger.receive_data(question, NOW).startswith(b"-NOAUTH")
    scene.ask(known, "AUTH", "s3cret")
    assert (
        known.receive_data(question, NOW)
        == known.receive_data(question, NOW)
        == b"*2\r\n$9\r\n127.0.0.1\r\n$5\r\n27001\r\n"
    )
    assert stranger.receive_data(question, NOW).startswith(b"-NOAUTH")


def test_auth_without_a_password_says_so_as_a_server(scene: RelayScene, client: Conversation) -> None:
    assert shown(scene.ask(client, "AUTH", "x")).startswith("ERR AUTH <password> called without any password")
    assert shown(scene.ask(client, "AUTH", "default", "x")) == "OK"


def test_no_repr_shows_a_password() -> None:
    assert "s3cret" not in repr(Accounts("s3cret", {"app": "s3cret"}))


# Addresses ----------------------------------------------------------------------------------------


def test_an_address_is_translated_wherever_it_is_told(scene: RelayScene) -> None:
    outside, elsewhere = Address("nat.example", 7001), Address("nat.example", 7002)
    client = scene.client({A: outside, B: elsewhere})
    assert shown(scene.ask(client, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")) == ["nat.example", "7001"]
    assert shown(scene.ask(client, "SENTINEL", "MASTER", "mymaster"))[3:6:2] == ["nat.example", "7001"]
    row = shown(scene.ask(client, "SENTINEL", "REPLICAS", "mymaster"))[0]
    assert row[1] == str(elsewhere)
    assert "address=nat.example:7001" in shown(scene.ask(client, "INFO", "sentinel"))
    assert str(A).encode() not in client.receive_data(request("SENTINEL", "MASTERS"), NOW)


def test_a_remembered_answer_is_forgotten_when_the_address_changes(scene: RelayScene, client: Conversation) -> None:
    question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"]
    assert [shown(scene.ask(client, *question)) for _ in range(3)] == 3 * [[A.host, str(A.port)]]
    scene.fail_over()
    scene.tell(None, Probe(B, "master"))
    assert [shown(scene.ask(client, *question)) for _ in range(3)] == 3 * [[B.host, str(B.port)]]
    for name in (S1, S2, S3):
        scene.tell(name, SnapshotEnd(()))
    assert [scene.ask(client, *question) for _ in range(3)] == [None, None, None]


# Subscriptions ------------------------------------------------------------------------------------


def test_subscriptions_are_confirmed_and_counted_as_in_a_server(scene: RelayScene, client: Conversation) -> None:
    frames = FrameReader().read(
        client.receive_data(
            request("SUBSCRIBE", "+switch-master", "x")
            + request("PSUBSCRIBE", "+*")
            + request("UNSUBSCRIBE", "x")
            + request("PUNSUBSCRIBE")
            + request("UNSUBSCRIBE")
            + request("UNSUBSCRIBE"),
            NOW,
        )
    )
    assert shown(frames) == [
        ["subscribe", "+switch-master", 1],
        ["subscribe", "x", 2],
        ["psubscribe", "+*", 3],
        ["unsubscribe", "x", 2],
        ["punsubscribe", "+*", 1],
        ["unsubscribe", "+switch-master", 0],
        ["unsubscribe", None, 0],
    ]


def test_a_subscribed_client_of_resp2_may_do_little_else(scene: RelayScene, client: Conversation) -> None:
    scene.ask(client, "SUBSCRIBE", "+switch-master")
    theirs = (REPLIES / "redis-7.0.15.txt").read_text(encoding="utf-8")
    for words in (["SENTINEL", "MASTERS"], ["CLIENT", "SETNAME", "z"]):
        assert f"resp2-subscribed {words} => ERR<{shown(scene.ask(client, *words))}>" in theirs
    assert shown(scene.ask(client, "PING")) == ["pong", ""]
    assert shown(scene.ask(client, "PING", "hi")) == ["pong", "hi"]
    assert isinstance(scene.ask(client, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"), hiredis.ReplyError)


def test_messages_come_as_pushes_in_resp3_and_as_arrays_in_resp2(scene: RelayScene) -> None:
    old, new = scene.client(), scene.client()
    scene.ask(new, "HELLO", "3")
    for client in (old, new):
        for words in (["SUBSCRIBE", "+sdown"], ["PSUBSCRIBE", "+*"], ["PSUBSCRIBE", "-*"]):
            client.receive_data(request(*words), NOW)
    assert shown(FrameReader().read(old.deliver(b"+sdown", b"m", {}))) == [
        ["message", "+sdown", "m"],
        ["pmessage", "+*", "+sdown", "m"],
    ]
    assert new.deliver(b"+sdown", b"m", {}).startswith(b">3\r\n$7\r\nmessage\r\n")
    assert new.deliver(b"+odown", b"m", {}).count(b">") == 1
    assert shown(scene.ask(new, "PING")) == "PONG"
    assert shown(scene.ask(new, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")) == [A.host, str(A.port)]


def test_subscriptions_of_one_client_are_bounded(scene: RelayScene, client: Conversation) -> None:
    for start in range(0, SUBSCRIPTIONS_MAX + 1000, 1000):
        client.receive_data(request("SUBSCRIBE", *(f"c{start + number}" for number in range(1000))), NOW)
    assert client.subscriptions == SUBSCRIPTIONS_MAX


# Bytes --------------------------------------------------------------------------------------------


def test_a_broken_stream_is_answered_and_ended(scene: RelayScene, client: Conversation) -> None:
    assert client.receive_data(b"*1\r\n+x\r\n", NOW) == b"-ERR Protocol error: expected '$', got '+'\r\n"
    assert client.ended
    assert client.receive_data(request("PING"), NOW) == b""
    quitting = scene.client()
    assert quitting.receive_data(request("QUIT") + request("PING"), NOW) == b"+OK\r\n"
    assert quitting.ended


def test_one_client_gets_its_answers_in_portions(scene: RelayScene, client: Conversation) -> None:
    count = 2000
    out = client.receive_data(count * request("SENTINEL", "REPLICAS", "mymaster"), NOW)
    sizes = [len(out)]
    while client.waiting:
        out = client.receive_data(b"", NOW)
        sizes.append(len(out))
    assert len(sizes) > 3
    assert max(sizes) < 2 * ANSWERS_BYTES
    assert len(set(sizes[:-1])) == 1
    assert client.view.state.counters.commands == count


def test_line_breaks_of_a_client_do_not_get_into_an_error(scene: RelayScene, client: Conversation) -> None:
    out = client.receive_data(request("x\r\n+OK", "y\r\n:1"), NOW)
    assert out.count(b"\r\n") == 1
    assert len(client.receive_data(request("x" * 5000, "y" * 5000), NOW)) < 500


@given(
    st.lists(
        st.sampled_from(
            [
                request("PING"),
                request("HELLO", "3"),
                request("HELLO", "2"),
                request("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"),
                request("SENTINEL", "MASTERS"),
                request("SUBSCRIBE", "+switch-master"),
                request("UNSUBSCRIBE"),
                request("RESET"),
                request("CLIENT", "ID"),
                request("NO", "SUCH"),
                b"INFO\r\n",
                b"PING hi\r\n",
            ]
        ),
        max_size=8,
    ),
    st.integers(1, 40),
)
def test_a_conversation_is_the_same_however_its_bytes_are_cut(commands: list[bytes], size: int) -> None:
    scene = SHARED
    whole, pieces = scene.client(), scene.client()
    data = b"".join(commands)
    out = b"".join(pieces.receive_data(data[at : at + size], NOW) for at in range(0, len(data), size))
    assert out == whole.receive_data(data, NOW)
    assert (pieces.protocol, pieces.subscriptions) == (whole.protocol, whole.subscriptions)


SHARED = RelayScene()


@given(st.binary(max_size=300))
def test_no_bytes_raise(data: bytes) -> None:
    client = SHARED.client()
    client.receive_data(data, NOW)
    client.receive_data(request("PING"), NOW)


@given(st.lists(st.text(max_size=8), min_size=1, max_size=6))
def test_no_words_raise_and_each_command_gets_an_answer(words: list[str]) -> None:
    for first in ([], ["SENTINEL"], ["CLIENT"], ["HELLO"], ["COMMAND"], ["ACL"], ["INFO"], ["AUTH"]):
        client = SHARED.client()
        assert FrameReader().read(client.receive_data(request(*first, *words), NOW))
