"""Hostile peers of a link: they refuse it, are no Sentinels, or send arbitrary bytes."""

from __future__ import annotations

import gc
import types

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peers.scripted import NO_HELLO, NOPERM, ScriptedSentinel, exchange, link_of, node_of, one_by_one, published
from switchmaster.link.greeting import Credentials
from switchmaster.link.link import Link
from switchmaster.model import LIMITS
from switchmaster.wire.facts import Fact, LinkChange, LinkState
from switchmaster.wire.resp import FrameReader, plain

SECRET = Credentials("u", "s3cret")
HELLO_STANDALONE = (
    b"%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n"
    b"$2\r\nid\r\n:6\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
    b"$7\r\nmodules\r\n*0\r\n"
)
REFUSALS = {
    b"-DENIED Redis is running in protected mode because protected mode is enabled\r\n": "protected",
    b"-NOAUTH HELLO must be called with the client already authenticated\r\n": "requires a password",
    b"-WRONGPASS invalid username-password pair or user is disabled.\r\n": "refuses the username",
    b"-ERR max number of clients reached\r\n": "maxclients",
    b"-ERR nobody knows this one\r\n": "nobody knows this one",
    HELLO_STANDALONE: "it is a Redis data node (mode standalone), not a Sentinel",
    b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n": "looks like an HTTP server",
    b"\x15\x03\x01\x00\x02\x02\x46": "it requires TLS",
    b"SSH-2.0-OpenSSH_9.2\r\n": "does not speak RESP",
    b"+OK\r\n": "does not answer HELLO",
    b"*4000000000\r\n": "a million elements",
    b"$99999999999\r\n" + bytes(LIMITS.reply_bytes + 1): "without ending a reply",
    b"%1\r\n*1\r\n+a\r\n+b\r\n": "does not speak RESP",
}


def down(link: Link) -> str:
    facts = link.events_received()
    assert link.state is LinkState.DOWN
    assert isinstance(facts[-1], LinkChange)
    return facts[-1].reason


@pytest.mark.parametrize("data", REFUSALS, ids=lambda data: repr(data[:24]))
def test_peer_that_is_no_sentinel_or_refuses_is_left_with_a_clear_reason(data: bytes) -> None:
    link = link_of()
    link.connect(0.0, 0, SECRET)
    link.receive_data(data, 0.0)
    reason = down(link)
    assert REFUSALS[data] in reason
    assert "s3cret" not in reason
    assert reason.isprintable()
    assert len(reason) < 400


def test_first_refused_password_already_waits_long() -> None:
    link = link_of()
    link.connect(0.0, 0, SECRET)
    link.receive_data(b"-WRONGPASS invalid username-password pair\r\n", 0.0)
    assert link.deadline is not None
    assert link.deadline >= 1.0


def test_data_node_without_hello_is_recognised_by_its_role() -> None:
    sentinel = ScriptedSentinel(refuse={"HELLO": NO_HELLO, "ROLE": b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"})
    link = link_of()
    facts = exchange(link, sentinel, 0.0)
    assert "role master" in next(f.reason for f in facts if isinstance(f, LinkChange) and f.reason)
    assert "PSUBSCRIBE *" not in [command for _, command in sentinel.commands]


def test_data_node_without_hello_is_recognised_by_the_command_it_lacks() -> None:
    unknown = b"-ERR unknown command `SENTINEL`, with args beginning with: `MYID`, \r\n"
    denied = b"-NOPERM no\r\n"
    sentinel = ScriptedSentinel(refuse={"HELLO": NO_HELLO, "SENTINEL": unknown, "ROLE": denied, "INFO": denied})
    facts = exchange(link_of(), sentinel, 0.0)
    assert "not a Sentinel" in next(f.reason for f in facts if isinstance(f, LinkChange) and f.reason)


def test_reply_to_no_request_ends_the_conversation() -> None:
    link = link_of()
    exchange(link, ScriptedSentinel(), 0.0)
    link.receive_data(b"+OK\r\n", 0.0)
    assert "a reply to no request" in down(link)


def test_unknown_push_is_counted_and_ignored() -> None:
    link = link_of()
    exchange(link, ScriptedSentinel(), 0.0)
    before = link.counters.unrecognised
    link.receive_data(b">0\r\n>2\r\n+invalidate\r\n*0\r\n>1\r\n*1\r\n+a\r\n", 0.0)
    assert link.state is LinkState.LIVE
    assert link.counters.unrecognised == before + 3


def test_events_before_the_broken_frame_are_still_heard() -> None:
    link = link_of()
    exchange(link, ScriptedSentinel(), 0.0)
    link.receive_data(published("+new-epoch", "7") + b"?\r\n", 0.0)
    facts = link.events_received()
    assert [LinkState.DOWN] == [f.state for f in facts if isinstance(f, LinkChange)]
    assert len(facts) == 2


def test_secrets_appear_in_no_repr() -> None:
    link, node = link_of(), node_of()
    link.connect(0.0, 0, SECRET)
    node.connect(0.0, SECRET)
    for shown in (link, node, gc.get_referents(link), gc.get_referents(node)):
        assert "s3cret" not in repr(shown)


@pytest.mark.parametrize("refuse", [{}, {"HELLO": NO_HELLO}, {"HELLO 3 AUTH": NOPERM}])
def test_password_is_not_kept_once_the_greeting_is_over(refuse: dict[str, bytes]) -> None:
    link, sentinel = link_of(), ScriptedSentinel(refuse=refuse)
    exchange(link, sentinel, 0.0, credentials=SECRET)
    assert link.state is LinkState.LIVE
    assert any("s3cret" in command for _, command in sentinel.commands)
    assert not [one for one in reachable(link) if isinstance(one, str) and "s3cret" in one]


def reachable(root: object) -> list[object]:
    """Return everything that an object holds, directly or indirectly, except modules and classes."""
    seen: dict[int, object] = {}
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or one is SECRET or isinstance(one, (type, types.ModuleType)):
            continue
        seen[id(one)] = one
        waiting += [
            part
            for part in gc.get_referents(one)
            if not (isinstance(one, types.FunctionType) and part is one.__globals__)
        ]
    return list(seen.values())


HOSTILE = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [b"\r\n", b"+OK\r\n", b"$-1\r\n", b"*-1\r\n", b"_\r\n", b">3\r\n", b"*2\r\n", b"%1\r\n",
             b"-ERR x\r\n", b"-NOPERM x\r\n", b":1\r\n", b"$8\r\npmessage\r\n", b"$1\r\n*\r\n", b"#t\r\n",
             b",nan\r\n", b"~1\r\n", b"|1\r\n", b"$9\r\npsubscribe\r\n", b"(12\r\n", HELLO_STANDALONE]
        ),
    ),
    max_size=30,
)  # fmt: skip


def torture(link: Link, pieces: list[bytes], one: bool) -> list[Fact]:
    data = b"".join(pieces)
    for piece in one_by_one(data) if one else [data]:
        link.receive_data(piece, 0.0)
        link.data_to_send()
    return link.events_received()


@settings(max_examples=300)
@given(HOSTILE, st.booleans())
def test_no_bytes_make_a_link_raise_and_cuts_change_nothing(pieces: list[bytes], greeted: bool) -> None:
    both = []
    for one in (False, True):
        link = link_of()
        if greeted:
            exchange(link, ScriptedSentinel(), 0.0)
        else:
            link.connect(0.0)
        both.append(torture(link, pieces, one))
    assert both[0] == both[1]


@settings(max_examples=150)
@given(HOSTILE)
def test_no_bytes_make_a_node_link_raise_and_cuts_change_nothing(pieces: list[bytes]) -> None:
    both = []
    for cut in (lambda data: [data], one_by_one):
        node = node_of()
        node.connect(0.0)
        for piece in cut(b"".join(pieces)):
            node.receive_data(piece, 0.0)
        both.append(node.events_received())
    assert both[0] == both[1]


def test_huge_array_is_refused_before_memory_is_allocated() -> None:
    for cut in range(1, 12):
        reader = FrameReader()
        data = b"+OK\r\n>50000000\r\n"
        frames = reader.read(data[:cut]) + reader.read(data[cut:])
        assert frames == [b"OK"]
        assert "million" in reader.broken


def test_apparent_huge_array_breaks_a_stream_wherever_it_is_cut() -> None:
    # hiredis skips two bytes after a bulk string, whatever they are: here the array's own.
    data = b"$6\r\nmaste\n*9999999\r\n"
    reasons = set()
    for cut in range(len(data) + 1):
        reader = FrameReader()
        assert reader.read(data[:cut]) + reader.read(data[cut:]) == []
        reasons.add(reader.broken)
    assert len(reasons) == 1


def test_small_array_cut_in_its_header_is_read() -> None:
    for header in (b"*1", b"*12", b"%0", b">999999"):
        reader = FrameReader()
        frames = [frame for byte in one_by_one(b"+OK\r\n" + header + b"\r\n") for frame in reader.read(byte)]
        assert frames[0] == b"OK"
        assert reader.broken == ""


def test_endlessly_nested_reply_is_harmless() -> None:
    link = link_of()
    link.connect(0.0)
    link.receive_data(b"*1\r\n" * 50_000 + b"+a\r\n", 0.0)
    assert "nesting" in down(link)


def test_endless_bulk_is_refused_at_the_limit() -> None:
    reader = FrameReader(frame_bytes=1000)
    reader.read(b"$999999\r\n")
    for _ in range(20):
        reader.read(b"x" * 100)
    assert "1000 bytes" in reader.broken


def test_text_of_a_peer_is_cut_and_cleaned() -> None:
    assert plain("a\x1b[2Jb\n" + "c" * 500, 10) == "a?[2Jb?ccc…"
